"""Fitting an anomaly model, and writing it to a model file."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from numbers import Real
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.dist import is_main_process
from mmengine.logging import MMLogger
from mmengine.registry import DATASETS, init_default_scope

from mmcvgssl.apis.one_class.provenance import MODEL
from mmcvgssl.apis.one_class.run import (
    UNNAMED,
    detector_config,
    find_categories,
    run_one_class,
)
from mmcvgssl.engine.fit_loop import fit
from mmcvgssl.evaluation.operating_point import check_count
from mmcvgssl.model_file import (
    ModelFile,
    anomaly,
    check_name,
    prediction_steps,
)
from mmcvgssl.models.anomaly import AnomalyModel, OneClassDetector
from mmcvgssl.models.anomaly.blocks import block_size, count_held_out
from mmcvgssl.processes import on_first_process
from mmcvgssl.registry import MODELS
from mmcvgssl.runner.build import build_runner, start_processes
from mmcvgssl.runner.image_reading import settle_images
from mmcvgssl.runner.user_parts import fit_config

RATE = 0.05
FITTED = 'fitted.safetensors'


def fit_model(
    cfg: Config,
    out: str | Path,
    images: str | Path | None = None,
    false_alarm_rate: float | str | None = None,
    whole: bool = False,
    licences: Sequence[str] = (),
) -> ModelFile | None:
    """Fit the anomaly model of a config and write one model file.

    What a config trains (CutPaste) is trained first. The fitted state, and a
    training's checkpoints, are saved in ``cfg.work_dir``, so that the same
    call goes on, or is done at once.

    Args:
        cfg: One of configs/anomaly, with ``work_dir``.
        out: The model file; an earlier one of other images, settings or
            weights is moved to the folder ``earlier`` beside it.
        images: Folder or list of the images to fit to, instead of the
            config's: good ones, unless the model learns from a collection.
        false_alarm_rate: Wanted share of good images above the threshold;
            ``'none'``: no threshold; None: what the config says, or 0.05
            where it says nothing, the model learns from good images, and
            they are enough.
        whole: Store the weights of installed packages in the file, too, as
            those that were trained are.
        licences: Further terms, one text each.

    Returns:
        What was written; None in other processes than the first.

    Raises:
        FileNotFoundError: If images are missing.
        mmcvgssl.weights.WeightsError: If the config names what no file may;
            before anything is fitted.
        ValueError: If the config describes no anomaly model, ``out`` does
            not end in ``.safetensors``, or there are too few images for the
            rate that is asked for.

    Example:
        >>> from mmcvgssl.apis import load_config
        >>> cfg = load_config('anomaly.py')
        >>> cfg.work_dir = 'work_dirs/bolts'
        >>> content = fit_model(cfg, 'bolts.safetensors', images='images')
        >>> content.kind, content.chosen['good_images']
        ('anomaly', 12)
    """
    check_name(out)
    start_processes(cfg)
    init_default_scope(cfg.get('default_scope', 'mmpretrain'))
    cfg = copy.deepcopy(cfg)
    if images is not None:
        read_images(cfg, Path(images))
    if cfg.get('detector'):
        return _train_and_fit(cfg, Path(out), false_alarm_rate, licences)
    steps = settle_fit(cfg, false_alarm_rate)
    cfg.fit_cfg = fit_config(
        cfg, 'use --work-dir', state=str(Path(cfg.work_dir) / FITTED)
    )
    model = fit(build_runner(cfg, testing=True, settled=True))
    made = fitted_content(model, cfg, steps, whole, licences)
    return _written(made, Path(out))


def settle_fit(
    cfg: Config, false_alarm_rate: float | str | None = None
) -> list[dict[str, Any]]:
    """Decide, before a fit, how images are read and what is measured.

    Args:
        cfg: Is changed; parts that a fit does not need are taken out.
        false_alarm_rate: See :func:`fit_model`.

    Returns:
        The transforms of a prediction.

    Raises:
        ValueError: See :func:`fit_model`.
        mmcvgssl.weights.WeightsError: If the config names what no file may.
    """
    _check(cfg)
    # as a Runner does, so that the file has it, too
    if cfg.get('data_preprocessor') is not None:
        cfg.model.setdefault('data_preprocessor', cfg.data_preprocessor)
    settle_images(cfg)
    _choose_rate(cfg, *_asked(false_alarm_rate))
    steps = prediction_steps(cfg.fit_dataloader.dataset.pipeline)
    anomaly.check_portable(cfg.model, steps, f'{cfg.filename}')
    for part in ('train', 'val', 'test'):
        for key in ('dataloader', 'cfg', 'evaluator'):
            cfg.pop(f'{part}_{key}', None)
    return steps


def fitted_content(
    model: AnomalyModel,
    cfg: Config,
    steps: Sequence[dict[str, Any]],
    whole: bool = False,
    licences: Sequence[str] = (),
) -> ModelFile:
    """Return the model file of a fitted model.

    Args:
        model: The model, fitted.
        cfg: Its config, settled.
        steps: What :func:`settle_fit` gave.
        whole: See :func:`fit_model`.
        licences: See :func:`fit_model`.
    """
    category = str(cfg.fit_dataloader.dataset.get('category') or '')
    return anomaly.to_file(model, cfg.model, steps, category, whole, licences)


def _asked(false_alarm_rate: float | str | None) -> tuple[Any, bool]:
    """Return the wanted rate, and whether one is asked for.

    Raises:
        ValueError: If it is none.
    """
    if false_alarm_rate is None or false_alarm_rate == 'none':
        return None, false_alarm_rate is not None
    number = isinstance(false_alarm_rate, Real)
    if not number or not 0 < float(false_alarm_rate) < 1:
        raise ValueError(
            "false_alarm_rate is a share between 0 and 1, or 'none' for no "
            f'threshold, got {false_alarm_rate!r}'
        )
    return float(false_alarm_rate), True


def _written(content: ModelFile, out: Path) -> ModelFile | None:
    """Write a file, once for all processes."""
    on_first_process(lambda: content.write(out))
    return content if is_main_process() else None


def _check(cfg: Config) -> None:
    """Check that a config describes a model that can be fitted.

    Raises:
        ValueError: If it does not.
    """
    kind = MODELS.get(str((cfg.get('model') or {}).get('type')))
    if not (isinstance(kind, type) and issubclass(kind, AnomalyModel)):
        raise ValueError(
            f'{cfg.filename} describes no anomaly model: expected one of '
            'configs/anomaly'
        )
    if cfg.get('fit_dataloader') is None:
        raise ValueError(
            f'{cfg.filename} has no `fit_dataloader`, which says how images '
            'are read: inherit configs/_base_/loaders/one_class.py'
        )


def read_images(cfg: Config, images: Path) -> None:
    """Set other images to fit to and train on, all of them good.

    Args:
        cfg: Is changed.
        images: Their folder, or a list of them.

    Raises:
        FileNotFoundError: If there is no such file or folder.
    """
    if not images.exists():
        raise FileNotFoundError(
            f'expected a folder of images or a list of them, found no {images}'
        )
    whole = images.is_dir()
    own = dict(
        type='mmcvgssl.OneClassDataset',
        data_root=str(images if whole else images.parent),
        split_dir='',
        ann_file='' if whole else images.name,
        leave_out='',
        split='train',
        good_names=['*'],
        category='',
    )
    for part in ('train', 'fit'):
        loader = cfg.get(f'{part}_dataloader')
        if loader is not None:
            loader.dataset = ConfigDict({**loader.dataset, **own})
            # masks are found or reported as the config says
            if loader.dataset.get('layout', 'mvtec') == 'mvtec':
                loader.dataset.layout = 'auto'


def _choose_rate(cfg: Config, rate: Any, asked: bool) -> None:
    """Set the wanted rate of false alarms; say it where nobody asked.

    Raises:
        ValueError: If there are too few images for a rate that is asked for.
    """
    kind: Any = MODELS.get(cfg.model['type'])
    if kind.learns_from_collection(cfg.model):
        if asked:
            cfg.model.false_alarm_rate = rate
        if cfg.model.get('calibration') is None:
            cfg.model.calibration = ConfigDict()
            MMLogger.get_current_instance().info(
                'maps and scores are brought to [0, 1], which the colours of '
                'predictions need (model.calibration)'
            )
        return
    default = not asked and 'false_alarm_rate' not in cfg.model
    if default and not _learns(kind, cfg):
        return
    if default:
        rate = RATE
    elif not asked:
        rate = cfg.model.get('false_alarm_rate')
    if rate is not None:
        total, count = _count_held_out(kind, cfg)
        try:
            check_count(count, rate)
        except ValueError as given:
            error = given
            if count < total:
                error = ValueError(f'{given}; of {total} so many are held out')
            if not default:
                raise error from given
            MMLogger.get_current_instance().warning(
                f'there is no threshold: {error}; or set --false-alarm-rate'
            )
            return
    cfg.model.false_alarm_rate = rate


def _count_held_out(kind: type, cfg: Config) -> tuple[int, int]:
    """Count all images, and those that a threshold will be chosen on."""
    options = cfg.fit_dataloader.dataset.to_dict()
    count = len(DATASETS.build({**options, 'pipeline': []}))
    if issubclass(kind, OneClassDetector) or not _learns(kind, cfg):
        return count, count
    share = (cfg.model.get('calibration') or {}).get('holdout', 0.2)
    every = block_size(share, 'calibration.holdout')
    return count, count_held_out(count, every)


def _learns(kind: Any, cfg: Config) -> bool:
    return bool(kind.needs_fit or cfg.model.get('k'))


def _train_and_fit(
    cfg: Config,
    out: Path,
    false_alarm_rate: float | str | None,
    licences: Sequence[str],
) -> ModelFile | None:
    """Train, hold images out and fit, as mmcvgssl one-class does."""
    rate, asked = _asked(false_alarm_rate)
    if asked:
        cfg.detector.false_alarm_rate = rate
    names = find_categories(cfg, [str(cfg.get('category') or '')])
    if len(names) != 1:
        raise ValueError(
            f'a model is of one category, and there are {", ".join(names)}: '
            'name one by --cfg-options category=NAME, or use '
            'mmcvgssl one-class for all'
        )
    steps = prediction_steps(cfg.fit_dataloader.dataset.pipeline)
    source = f'{cfg.filename}'
    anomaly.check_portable(detector_config(cfg, None), steps, source)
    run_one_class(cfg, cfg.work_dir, names, test=False)
    # trained weights are always stored in the file
    made = Path(cfg.work_dir) / (names[0] or UNNAMED) / MODEL
    content = ModelFile.read(made)
    content.licences += licences
    return _written(content, out)
