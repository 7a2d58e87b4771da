"""Anomaly maps of a folder or a list of images, by a loop of their own."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.dist import get_rank

from mmcvgssl.datasets.listed_images import check_listed
from mmcvgssl.engine.map_loop import write_maps
from mmcvgssl.locks import locked
from mmcvgssl.maps.images import list_images
from mmcvgssl.model_file import prediction_steps
from mmcvgssl.models.anomaly import AnomalyModel
from mmcvgssl.processes import on_first_process
from mmcvgssl.registry import MODELS
from mmcvgssl.runner.build import build_runner, start_processes
from mmcvgssl.runner.image_reading import fitted_range, settle_images
from mmcvgssl.runner.user_parts import fit_config, join_hooks, loop_config
from mmcvgssl.utils import atomic_write

FIT = 'fit.{}.txt'  # list of the images that a process fits to
_TEST = ('test_dataloader', 'test_cfg', 'test_evaluator')


def make_maps(
    cfg: Config,
    images: str | Path,
    out: str | Path,
    model: AnomalyModel | None = None,
    **options,
) -> dict[str, int]:
    """Write the maps that are not there yet; see :func:`prepare_maps`.

    Args:
        cfg: Config of a map generator.
        images: See :func:`prepare_maps`.
        out: See :func:`prepare_maps`.
        model: A fitted model that replaces that of the config.
        **options: Options of :func:`prepare_maps`.

    Returns:
        Number of images, of maps that were there, that were written by this
        process, and of images that could not be read.

    Example:
        >>> from mmcvgssl.apis import load_config
        >>> make_maps(load_config('anomaly.py'), 'test_images', 'new_maps')
        {'images': 4, 'there': 0, 'written': 4, 'unreadable': 0}
    """
    start_processes(cfg)
    with locked(out):
        try:
            made, paths = prepare_maps(
                *(cfg, images, out), ready=model is not None, **options
            )
            runner = build_runner(made, True, settled=True, model=model)
            return write_maps(runner, paths)
        finally:
            Path(out, FIT.format(get_rank())).unlink(missing_ok=True)


def maps_text(counts: Mapping[str, int], out: str | Path) -> str:
    """Return a summary of :func:`make_maps` in a line.

    Example:
        >>> counts = dict(images=9, there=4, written=5, unreadable=0)
        >>> maps_text(counts, 'maps').partition(',')[0]
        '9 images: 4 maps were there'
    """
    return (
        f'{counts["images"]} images: {counts["there"]} maps were there, '
        f'{counts["written"]} written, '
        f'{counts["unreadable"]} unreadable; {out}'
    )


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
) -> tuple[Config, list[str]]:
    """Describe the loop that writes maps, as ``map_cfg`` of a config.

    Images are read and resized as in the config's test, which itself is left
    as it is, and so are hooks that act in a test.

    Args:
        cfg: Config with ``model``, and ``test_dataloader`` or
            ``fit_dataloader``.
        images: See :func:`list_images`.
        out: Folder of the maps.
        root: See :func:`list_images`.
        fit: Folder or list of images to fit to, instead of the config's.
        fitted: File of a fitted state, instead of fitting.
        dtype: Number type of the maps.
        max_unreadable: Largest share of unreadable images, by default that
            of the config's data set, or 0.1.
        encoding: Encoding of lists, see :func:`list_images`.
        ready: Whether the model is fitted, as that of a model file is.

    Returns:
        The config for a Runner, and the paths of the images, relative to
        ``map_cfg.root``.

    Raises:
        FileNotFoundError: If images or the fitted state are missing.
        ValueError: If the config describes no map generator, or has a hook
            that cannot act.
    """
    if ready and (fit is not None or fitted is not None):
        raise ValueError(
            '--fit and --fitted are for configs: the model of a file is '
            'fitted; fit another by mmcvgssl fit'
        )
    out = Path(out)
    state = Path(fitted) if fitted else out / 'fitted.safetensors'
    if fitted and not state.is_file():
        raise FileNotFoundError(f'no fitted state {state}')
    source = _images_of(cfg)
    home, paths = _listed(images, root, encoding)
    own = 'use --out, --fitted and --dtype instead'
    hooks = join_hooks(cfg, [], own)
    cfg = copy.deepcopy(cfg)  # the config may be used for another folder
    cfg.custom_hooks = hooks
    reading = _picked(source, 'batch_size', 'num_workers')
    precision = _picked(cfg.get('test_cfg') or {}, 'fp16')
    steps = prediction_steps(source.dataset.pipeline)
    share = _picked(source.dataset, 'max_unreadable')
    if max_unreadable is not None:
        share = dict(max_unreadable=max_unreadable)
    fitting = (home, paths) if not ready and _fits_on_collection(cfg) else None
    if fit is not None:
        fitting = _listed(fit, None, encoding, inside=False)
    if fitting is not None:
        cfg.fit_dataloader = ConfigDict(
            **reading,
            dataset=dict(
                type='mmcvgssl.ImageList',
                data_root=str(fitting[0]),
                list_file=_write_list(out, fitting[1]),
                pipeline=copy.deepcopy(steps),
                **share,
            ),
        )
    cfg.map_cfg = loop_config(
        cfg,
        'map_cfg',
        own,
        dict(type='mmcvgssl.MapLoop', **reading, **precision),
        dict(
            root=str(home), out=str(out), pipeline=steps, dtype=dtype, **share
        ),
    )
    cfg.fit_cfg = fit_config(
        cfg, own, state=str(state), must_exist=fitted is not None
    )
    there = fitted or ready
    fits = not there and cfg.get('fit_dataloader') and _needs_fit(cfg)
    settle_images(
        cfg,
        testing=True,
        paths=None if fits else [str(home / path) for path in paths],
        learned=fitted_range(state) if fitted else None,
        measure=not there,
    )
    _leave_out_training(cfg)
    return cfg, paths


def _images_of(cfg: Config) -> ConfigDict:
    """Return the loader that says how images are read.

    Raises:
        ValueError: If there is none, or no map generator.
    """
    source = cfg.get('test_dataloader') or cfg.get('fit_dataloader')
    kind = MODELS.get(str((cfg.get('model') or {}).get('type')))
    made = isinstance(kind, type) and issubclass(kind, AnomalyModel)
    if source is None or not made:
        raise ValueError(
            f'{cfg.filename} describes no map generator: expected `model` and '
            '`test_dataloader`, as in configs/anomaly'
        )
    return source


def _listed(
    images: str | Path,
    root: str | Path | None,
    encoding: str,
    inside: bool = True,
) -> tuple[Path, list[str]]:
    """Find images, once for all processes; those of a list must exist."""

    def find() -> tuple[Path, list[str]]:
        home, paths = list_images(images, root, encoding, inside)
        if Path(images).is_file():
            base = '--root' if inside else 'its folder'
            check_listed(images, home, paths, base=base)
        return home, paths

    return on_first_process(find)


def _picked(options: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """Return some of the options, those that are there."""
    return {key: options[key] for key in keys if key in options}


def _leave_out_training(cfg: Config) -> None:
    """Remove the parts of training, which a Runner would check."""
    for part in ('train', 'val'):
        for key in (f'{part}_dataloader', f'{part}_cfg', f'{part}_evaluator'):
            cfg.pop(key, None)
    cfg.pop('optim_wrapper', None)
    cfg.pop('param_scheduler', None)
    if any(cfg.get(key) is None for key in _TEST):
        for key in _TEST:
            cfg.pop(key, None)


def _write_list(out: Path, paths: Sequence[str]) -> str:
    """Write the images of a fit to a file of this process.

    A file, since configs are printed and copied.
    """
    file = out / FIT.format(get_rank())
    atomic_write(file, ''.join(f'{path}\n' for path in paths).encode())
    return str(file)


def _needs_fit(cfg: Config) -> bool:
    kind = MODELS.get(cfg.model['type'])
    return bool(getattr(kind, 'needs_fit', False) or cfg.model.get('k'))


def _fits_on_collection(cfg: Config) -> bool:
    model = MODELS.get(cfg.model['type'])
    asked = getattr(model, 'learns_from_collection', None)
    return bool(asked and asked(cfg.model))
