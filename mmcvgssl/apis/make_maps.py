"""Anomaly maps of a folder or a list of images, by a Runner's test loop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.dist import broadcast_object_list, get_rank, is_main_process
from mmengine.logging import MMLogger

from mmcvgssl.apis.train import build_runner, start_processes
from mmcvgssl.datasets.preparation.images import images_below
from mmcvgssl.engine.map_writer_hook import (
    join_manifests,
    map_name,
    read_manifests,
)
from mmcvgssl.registry import MODELS
from mmcvgssl.utils import atomic_write

TODO, FIT = 'todo', 'fit'
_META_KEYS = ('sample_idx', 'img_path', 'ori_shape', 'category')


def list_images(
    images: str | Path, root: str | Path | None = None
) -> tuple[Path, list[str]]:
    """Find the images of a folder, or those that a file lists.

    Args:
        images: A folder, or a text file with one path a line; what follows a
            tab is left out.
        root: Folder that listed paths are relative to; by default the
            list's.

    Returns:
        The folder and sorted relative paths, each once.

    Raises:
        FileNotFoundError: If there is neither.
        ValueError: If there is no image, or two would share a map.
    """
    images = Path(images)
    if images.is_dir():
        home, paths = images, images_below(images)
    elif images.is_file():
        home = Path(root) if root else images.parent
        lines = images.read_text('utf-8').splitlines()
        paths = sorted({line.split('\t')[0].strip() for line in lines} - {''})
    else:
        raise FileNotFoundError(
            f'expected a folder of images or a list of them, found no {images}'
        )
    if not paths:
        raise ValueError(f'{images}: no images')
    owners: dict[str, str] = {}
    for path in paths:
        other = owners.setdefault(map_name(path), path)
        if other != path:
            raise ValueError(
                f'{other} and {path} would share the map {map_name(path)}: '
                'if one is a mask, give a list of the images instead of the '
                'folder; else rename one'
            )
    return home, paths


def prepare_maps(
    cfg: Config,
    images: str | Path,
    out: str | Path,
    root: str | Path | None = None,
    fit: str | Path | None = None,
    fitted: str | Path | None = None,
    dtype: str = 'float16',
    max_unreadable: float | None = None,
) -> tuple[Config, int, int]:
    """Turn a config's test loop into one that writes maps.

    Args:
        cfg: With ``model``, ``fit_dataloader`` and ``test_dataloader``.
        images: See :func:`list_images`.
        out: Folder of the maps.
        root: See :func:`list_images`.
        fit: Folder or list of images to fit to, instead of the config's.
        fitted: File of a fitted state, instead of fitting.
        dtype: Of the maps.
        max_unreadable: Largest share of unreadable images, by default that
            of the config's data set, or 0.1.

    Returns:
        The config, the number of images, and how many are still to do.

    Raises:
        FileNotFoundError: If images or the fitted state are missing.
        ValueError: If the config describes no images or no test loop.
    """
    out = Path(out)
    home, paths, todo = _agree(images, root, out)
    source = cfg.get('test_dataloader') or cfg.get('fit_dataloader')
    if source is None or cfg.get('model') is None:
        raise ValueError(
            f'{cfg.filename} describes no map generator: expected `model` and '
            '`test_dataloader`, as in configs/anomaly'
        )
    pipeline = _pipeline(source.dataset.pipeline)
    if max_unreadable is None:
        max_unreadable = source.dataset.get('max_unreadable', 0.1)

    def data_set(folder: Path, names: Sequence[str], name: str) -> dict:
        # a file, since configs are printed and copied
        file = out / f'{name}.{get_rank()}.txt'
        atomic_write(file, ''.join(f'{n}\n' for n in names).encode())
        return dict(
            type='mmcvgssl.ImageList',
            data_root=str(folder),
            list_file=str(file),
            pipeline=pipeline,
            max_unreadable=max_unreadable,
        )

    loader = dict(
        batch_size=source.get('batch_size', 16),
        num_workers=source.get('num_workers', 2),
        persistent_workers=False,
        drop_last=False,
        sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
        collate_fn=dict(type='pseudo_collate'),
        dataset=data_set(home, todo, TODO),
    )
    cfg.test_dataloader = ConfigDict(loader)
    cfg.test_cfg = ConfigDict()
    cfg.test_evaluator = []
    if fit is not None:
        fit_home, fit_paths = list_images(fit)
        cfg.fit_dataloader = ConfigDict(
            {**loader, 'dataset': data_set(fit_home, fit_paths, FIT)}
        )
    elif _fits_on_collection(cfg):
        cfg.fit_dataloader = ConfigDict(
            {**loader, 'dataset': data_set(home, paths, FIT)}
        )
    state = Path(fitted) if fitted else out / 'fitted.safetensors'
    if fitted and not state.is_file():
        raise FileNotFoundError(f'no fitted state {state}')
    cfg.custom_hooks = [
        dict(
            type='mmcvgssl.AnomalyFitHook',
            state=str(state),
            must_exist=fitted is not None,
        ),
        dict(
            type='mmcvgssl.MapWriterHook',
            out=str(out),
            root=str(home),
            dtype=dtype,
            settings=dict(pipeline=repr(pipeline)),
        ),
    ]
    # the bar says it all
    cfg.default_hooks = ConfigDict(
        {**cfg.get('default_hooks', {}), 'logger': None, 'checkpoint': None}
    )
    for part in ('train', 'val'):
        for key in (f'{part}_dataloader', f'{part}_cfg'):
            cfg.pop(key, None)
    cfg.pop('val_evaluator', None)
    cfg.pop('optim_wrapper', None)
    cfg.pop('param_scheduler', None)
    return cfg, len(paths), len(todo)


def make_maps(
    cfg: Config, images: str | Path, out: str | Path, **options
) -> dict[str, int]:
    """Write the maps that are not there yet; see :func:`prepare_maps`.

    Returns:
        Number of images, of maps that were there, that were written by this
        process, and of images that could not be read.
    """
    start_processes(cfg)
    cfg, total, todo = prepare_maps(cfg, images, out, **options)
    counts = {'images': total, 'there': total - todo}
    try:
        if not todo:
            if is_main_process():
                join_manifests(Path(out))
            return {**counts, 'written': 0, 'unreadable': 0}
        runner = build_runner(cfg)
        runner.test()
    finally:
        for name in (TODO, FIT):
            Path(out, f'{name}.{get_rank()}.txt').unlink(missing_ok=True)
    hook = next(h for h in runner.hooks if hasattr(h, 'unreadable'))
    if hook.unreadable:
        MMLogger.get_current_instance().warning(
            f'{len(hook.unreadable)} images could not be read and have no map'
        )
    return {
        **counts,
        'written': hook.written,
        'unreadable': len(hook.unreadable),
    }


def _agree(
    images: str | Path, root: str | Path | None, out: Path
) -> tuple[Path, list[str], list[str]]:
    """Let the first process say which images there are and which are to do.

    A process that looked later would see maps of the others, and take other
    images for its share.
    """
    box: list[Any] = [None]
    if is_main_process():
        try:
            home, paths = list_images(images, root)
            done = {
                path
                for path, line in read_manifests(out).items()
                if (out / line['map']).is_file()
            }
            todo = [path for path in paths if path not in done]
            box[0] = (home, paths, todo)
        except (OSError, ValueError) as error:
            box[0] = error
    broadcast_object_list(box)
    if isinstance(box[0], Exception):
        raise box[0]
    return box[0]


def _pipeline(steps: Sequence[dict]) -> list[dict]:
    """Read and resize as for the test, without masks and labels."""
    kept = [dict(s) for s in steps if not s['type'].endswith('LoadMask')]
    if kept and kept[-1]['type'].endswith('PackInputs'):
        kept[-1] = dict(type='mmpretrain.PackInputs', meta_keys=_META_KEYS)
    return kept


def _fits_on_collection(cfg: Config) -> bool:
    model = MODELS.get(cfg.model['type'])
    asked = getattr(model, 'learns_from_collection', None)
    return bool(asked and asked(cfg.model))
