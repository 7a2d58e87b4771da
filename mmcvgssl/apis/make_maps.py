"""Anomaly maps of a folder or a list of images, by a Runner's test loop."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmengine.config import Config, ConfigDict
from mmengine.dist import get_rank, is_main_process
from mmengine.logging import MMLogger

from mmcvgssl.apis.images import fitted_range, settle_images
from mmcvgssl.apis.train import build_runner, start_processes
from mmcvgssl.apis.users_parts import (
    fit_config,
    join_hooks,
    metrics_without_labels,
)
from mmcvgssl.engine.map_writer_hook import MapWriterHook
from mmcvgssl.locks import locked
from mmcvgssl.maps.images import list_images
from mmcvgssl.maps.writer import (
    join_manifests,
    paths_without_map,
)
from mmcvgssl.model_file import prediction_steps
from mmcvgssl.models.anomaly import AnomalyModel
from mmcvgssl.processes import on_first_process
from mmcvgssl.registry import MODELS
from mmcvgssl.utils import atomic_write, some

TODO, FIT = 'todo', 'fit'


def prepare_maps(
    cfg: Config,
    images: str | Path,
    out: str | Path,
    root: str | Path | None = None,
    fit: str | Path | None = None,
    fitted: str | Path | None = None,
    dtype: str = 'float16',
    max_unreadable: float | None = None,
    encoding: str = '',
    ready: bool = False,
) -> tuple[Config, Path, list[str]]:
    """Turn a config's test loop into one that writes maps.

    Hooks of the config that act in a test stay, and so do metrics that need no
    labels.

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
        encoding: Of lists, see :func:`list_images`.
        ready: Whether the model is fitted, as that of a model file is.

    Returns:
        The config, whose lists of images are to be written to the folder,
        the folder of the images and their relative paths.

    Raises:
        FileNotFoundError: If images or the fitted state are missing.
        ValueError: If the config describes no images or no test loop, or has
            a hook that cannot act in it.
    """
    out = Path(out)
    if ready and (fit is not None or fitted is not None):
        raise ValueError(
            '--fit and --fitted are for configs: the model of a file is '
            'fitted; fit another by tools/fit.py'
        )
    cfg = copy.copy(cfg)  # it may serve another folder
    home, paths = on_first_process(lambda: list_images(images, root, encoding))
    source = cfg.get('test_dataloader') or cfg.get('fit_dataloader')
    if source is None or cfg.get('model') is None:
        raise ValueError(
            f'{cfg.filename} describes no map generator: expected `model` and '
            '`test_dataloader`, as in configs/anomaly'
        )
    pipeline = prediction_steps(source.dataset.pipeline)
    if max_unreadable is None:
        max_unreadable = source.dataset.get('max_unreadable', 0.1)

    def data_set(folder: Path, names: Sequence[str], name: str) -> dict:
        return dict(
            type='mmcvgssl.ImageList',
            data_root=str(folder),
            list_file=str(_write_list(out, name, names)),
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
        dataset=data_set(home, paths, TODO),
    )
    cfg.test_dataloader = ConfigDict(loader)
    cfg.test_cfg = cfg.get('test_cfg') or ConfigDict()
    cfg.test_evaluator = metrics_without_labels(cfg)
    if fit is not None:
        fit_home, fit_paths = list_images(fit, encoding=encoding, inside=False)
        cfg.fit_dataloader = ConfigDict(
            {**loader, 'dataset': data_set(fit_home, fit_paths, FIT)}
        )
    elif not ready and _fits_on_collection(cfg):
        cfg.fit_dataloader = ConfigDict(
            {**loader, 'dataset': data_set(home, paths, FIT)}
        )
    state = Path(fitted) if fitted else out / 'fitted.safetensors'
    if fitted and not state.is_file():
        raise FileNotFoundError(f'no fitted state {state}')
    there = fitted or ready
    fits = not there and cfg.get('fit_dataloader') and _needs_fit(cfg)
    settle_images(
        cfg,
        testing=True,
        paths=None if fits else [str(home / path) for path in paths],
        learned=fitted_range(state) if fitted else None,
        measure=not there,
    )
    options = 'use --out, --fitted and --dtype instead'
    cfg.fit_cfg = fit_config(
        cfg, options, state=str(state), must_exist=fitted is not None
    )
    writer = dict(
        type='mmcvgssl.MapWriterHook',
        out=str(out),
        root=str(home),
        dtype=dtype,
    )
    cfg.custom_hooks = join_hooks(
        cfg, [dict(type='mmcvgssl.AnomalyFitHook'), writer], options
    )
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
    return cfg, home, paths


def make_maps(
    cfg: Config,
    images: str | Path,
    out: str | Path,
    model: AnomalyModel | None = None,
    **options,
) -> dict[str, int]:
    """Write the maps that are not there yet; see :func:`prepare_maps`.

    Args:
        cfg: Of a map generator.
        images: See :func:`prepare_maps`.
        out: See :func:`prepare_maps`.
        model: A fitted one, in place of that of the config.
        **options: Of :func:`prepare_maps`.

    Returns:
        Number of images, of maps that were there, that were written by this
        process, and of images that could not be read.
    """
    start_processes(cfg)
    with locked(out):
        return _make_maps(cfg, images, Path(out), model, **options)


def maps_text(counts: Mapping[str, int], out: str | Path) -> str:
    """Say in a line what :func:`make_maps` has done."""
    return (
        f'{counts["images"]} images: {counts["there"]} maps were there, '
        f'{counts["written"]} written by this process, '
        f'{counts["unreadable"]} unreadable; {out}'
    )


def _make_maps(
    cfg: Config,
    images: str | Path,
    out: Path,
    model: AnomalyModel | None,
    **options,
) -> dict[str, int]:
    try:
        cfg, home, paths = prepare_maps(
            cfg, images, out, ready=model is not None, **options
        )
        runner = build_runner(cfg, settled=True, model=model)
        # before it is asked which maps are there, as those may be of another
        # generator
        for hook in runner.hooks:
            if isinstance(hook, MapWriterHook):
                writer = hook
        writer.prepare(runner)
        # one process asks for all: one that looked later would see maps of
        # the others, and take other images for its share
        todo = on_first_process(lambda: paths_without_map(out, home, paths))
        counts = {'images': len(paths), 'there': len(paths) - len(todo)}
        if not todo:
            if is_main_process():
                join_manifests(out)
            return {**counts, 'written': 0, 'unreadable': 0}
        _write_list(out, TODO, todo)
        runner.test()
    finally:
        for name in (TODO, FIT):
            Path(out, f'{name}.{get_rank()}.txt').unlink(missing_ok=True)
    logger = MMLogger.get_current_instance()
    if writer.unreadable:
        logger.warning(
            f'{some(writer.unreadable, "image")} could not be read and have '
            'no map'
        )
    for path, reason in writer.unwritable.items():
        logger.warning(f'{path} has no map, as it cannot be written: {reason}')
    if writer.changed:
        logger.warning(
            f'{some(writer.changed, "image")} changed while maps were made '
            'and have none: type the command again'
        )
    return {
        **counts,
        'written': writer.written,
        'unreadable': len(writer.unreadable) + len(writer.unwritable),
    }


def _write_list(out: Path, name: str, paths: Sequence[str]) -> Path:
    """Write the images of a data set to a file of this process.

    A file, since configs are printed and copied.
    """
    file = out / f'{name}.{get_rank()}.txt'
    atomic_write(file, ''.join(f'{path}\n' for path in paths).encode())
    return file


def _needs_fit(cfg: Config) -> bool:
    kind = MODELS.get(cfg.model['type'])
    return bool(getattr(kind, 'needs_fit', False) or cfg.model.get('k'))


def _fits_on_collection(cfg: Config) -> bool:
    model = MODELS.get(cfg.model['type'])
    asked = getattr(model, 'learns_from_collection', None)
    return bool(asked and asked(cfg.model))
