"""Training and testing of a config."""

from __future__ import annotations

import json
from contextlib import closing
from math import isfinite
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.runner import Runner

from mmcvgssl.apis.model_file_config import open_model
from mmcvgssl.apis.testing import (
    KeptPredictions,
    TestedConfig,
    TestedFile,
    kind_of_test,
)
from mmcvgssl.locks import locked
from mmcvgssl.model_file import LoadedModel, is_model_file
from mmcvgssl.runner.build import (
    build_runner,
    check_before_training,
    start_processes,
)
from mmcvgssl.runner.config import use_amp
from mmcvgssl.runner.image_reading import settle_images
from mmcvgssl.runner.work_dir import claim_work_dir
from mmcvgssl.utils import atomic_write, check_file
from mmcvgssl.weights.checkpoints import checkpoints_in


def run_training(
    cfg: Config,
    resume: str | None = None,
    amp: bool = False,
    auto_scale_lr: bool = False,
) -> Runner:
    """Train what a config describes, in a folder that nothing else uses.

    Args:
        cfg: Config with ``work_dir`` and ``launcher``; is changed.
        resume: Checkpoint to go on from; ``'auto'`` is the newest of the
            work directory, if there is one.
        amp: Whether to train in mixed precision, see :func:`use_amp`.
        auto_scale_lr: Whether to scale the learning rate with the batch.

    Returns:
        The runner that has trained.

    Raises:
        FolderInUseError: If another run writes to the work directory.
        KeyError: If the config does not say what to scale the learning rate
            by.
        ProvenanceError: If what is to go on is another training.
        ValueError: See :func:`build_runner` and
            :func:`check_before_training`; or if the config describes no
            training, or ``resume`` is empty.

    Example:
        >>> from mmcvgssl.apis import load_config
        >>> cfg = load_config('train.py')
        >>> cfg.work_dir = 'work_dirs/surface'
        >>> runner = run_training(cfg)
        >>> Path('work_dirs/surface/epoch_1.pth').is_file()
        True
    """
    if resume == '':
        raise ValueError(
            '--resume is empty: expected a checkpoint, or --resume alone '
            'for the latest of the work directory'
        )
    _require_training(cfg)
    load_from = cfg.get('load_from')
    if resume is not None:
        cfg.resume = True
        if resume != 'auto':
            cfg.load_from = resume
        elif checkpoints_in(cfg.work_dir):
            # the run's own checkpoint replaces the one it began with
            cfg.load_from = None
        elif cfg.get('load_from'):
            cfg.resume = False  # no checkpoint yet: begin with load_from
    if amp:
        use_amp(cfg)
    if auto_scale_lr:
        if 'auto_scale_lr' not in cfg:
            raise KeyError(
                f'{cfg.filename} has no auto_scale_lr.base_batch_size, '
                'which --auto-scale-lr needs'
            )
        cfg.auto_scale_lr.enable = True
    start_processes(cfg)
    with locked(cfg.work_dir):
        runner = build_runner(cfg)
        check_before_training(runner)
        claim_work_dir(runner, load_from, resume)
        runner.train()
    return runner


def run_test(
    cfg: Config,
    checkpoint: str | None = None,
    model: LoadedModel | None = None,
    images: str | Path | None = None,
    out: str | Path | None = None,
    root: str | Path | None = None,
    maps: bool = False,
) -> dict[str, Any]:
    """Evaluate by the test loop of a config, and keep what was predicted.

    The folder of the test's logs, below ``work_dir``, gets
    ``predictions.json`` and ``predictions.csv``, as of ``mmcvgssl predict``,
    with the truth of each image: of anomaly models, of classifiers and, with
    the boxes of a score of 0.05 or more, of detectors. Memory does not grow
    with the number of images.

    Args:
        cfg: Config with ``work_dir`` and ``launcher``; is changed.
        checkpoint: Checkpoint, or model file, that is tested on the images
            of the config; None for what is fitted, not trained.
        model: Model that :func:`config_of` made the config from, instead.
        images: Images to test this model on: a folder of good and other
            images, of a folder for each class, or a COCO file, see
            :mod:`mmcvgssl.apis.testing`.
        out: File for the metrics, as JSON; null for those that are NaN.
        root: Folder that the names in a COCO file are relative to.
        maps: Whether to keep the maps of an anomaly model, too.

    Returns:
        The metrics, by name.

    Raises:
        FileNotFoundError: If the checkpoint is missing.
        OSError: If ``out`` cannot be written.
        ValueError: If the config describes no test, or none for the model
            of the file, images are given to one that names its own, or maps
            are wanted of a model that makes none.

    Example:
        >>> from mmcvgssl.apis import load_config
        >>> metrics = run_test(load_config('anomaly.py'), out='metrics.json')
        >>> 'image_auroc' in metrics
        True
    """
    if out is not None:
        check_file(out, '--out')
    if model is not None and checkpoint is not None:
        raise ValueError(
            f'expected a model file or a checkpoint, got both: a model '
            f'file needs no {checkpoint}, leave it out'
        )
    if model is None and (images or root):
        raise ValueError(
            '--images and --root are for a model file; a config names its '
            'images: --cfg-options data_root=DIR'
        )
    loaded = model
    if checkpoint is not None and is_model_file(checkpoint):
        loaded, checkpoint = open_model(checkpoint), None
    if checkpoint is not None and not _is_there(checkpoint):
        raise FileNotFoundError(f'no checkpoint {checkpoint}')
    cfg.load_from = checkpoint
    if loaded is None:
        _require_test(cfg)
        runner = build_runner(cfg, testing=True)
    else:
        runner = _runner_of_file(cfg, loaded, images, root, model is None)
    tested = (
        TestedConfig(cfg, checkpoint) if loaded is None else TestedFile(loaded)
    )
    predictions = KeptPredictions(tested, maps)
    runner.register_hook(predictions)
    with closing(predictions):
        metrics = runner.test()
    if out is not None and is_main_process():
        numbers = {key: float(value) for key, value in metrics.items()}
        # a class without a box has no precision, and JSON no NaN
        plain = {k: v if isfinite(v) else None for k, v in numbers.items()}
        atomic_write(out, json.dumps(plain, indent=1).encode())
    return metrics


def _runner_of_file(
    cfg: Config,
    loaded: LoadedModel,
    images: str | Path | None,
    root: str | Path | None,
    has_images: bool,
) -> Runner:
    """Build the Runner that tests a model file.

    Args:
        cfg: Is changed.
        loaded: The model.
        images: Images to test on.
        root: Folder that their names are relative to.
        has_images: Whether the config names the images instead.
    """
    kind = kind_of_test(loaded)
    if has_images:
        kind.on_config(cfg)
    elif not images:
        raise ValueError(
            'a model file names no images to test on: give --images PATH, or '
            'a config and the model file: mmcvgssl test CONFIG MODEL'
        )
    else:
        kind.on_images(cfg, images, root)
    kind.finish(cfg)
    start_processes(cfg)
    # what the file does not say of images is refused, not measured on them
    settle_images(cfg, testing=True, measure=False)
    runner = build_runner(cfg, testing=True, settled=True, model=loaded.model)
    kind.check(runner)
    return runner


def _require_training(cfg: Config) -> None:
    for key in ('train_dataloader', 'train_cfg', 'optim_wrapper'):
        if cfg.get(key) is None:
            raise ValueError(
                f'{cfg.filename} describes no training, as it has no {key}; '
                'anomaly models of configs/anomaly are fitted by mmcvgssl fit'
            )


def _require_test(cfg: Config) -> None:
    if cfg.get('test_dataloader') is None:
        raise ValueError(
            f'{cfg.filename} describes no test; a pretraining config is '
            'evaluated by mmcvgssl few-shot'
        )


def _is_there(checkpoint: str) -> bool:
    # mmengine fetches URLs
    return '://' in checkpoint or Path(checkpoint).is_file()
