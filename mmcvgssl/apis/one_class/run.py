"""Training, fitting and evaluating one-class detectors, by category."""

from __future__ import annotations

import copy
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.dist import barrier, is_main_process
from mmengine.logging import MMLogger
from mmengine.registry import DATASETS, init_default_scope

from mmcvgssl.apis.one_class.holdout import hold_out, write_held_out
from mmcvgssl.apis.one_class.images import check_test_images
from mmcvgssl.apis.one_class.provenance import (
    MODEL,
    RESULT,
    is_done,
    training_provenance,
)
from mmcvgssl.apis.one_class.score_collector import ScoreCollector
from mmcvgssl.apis.one_class.table import (
    rates,
    read_result,
    write_category,
    write_table,
)
from mmcvgssl.locks import locked
from mmcvgssl.model_file import anomaly, prediction_steps
from mmcvgssl.models.anomaly.one_class_detector import OneClassDetector
from mmcvgssl.processes import on_first_process
from mmcvgssl.provenance import settle
from mmcvgssl.runner.build import (
    build_runner,
    check_before_training,
    start_processes,
)
from mmcvgssl.runner.image_reading import settle_images
from mmcvgssl.runner.user_parts import fit_config, join_hooks
from mmcvgssl.visualization.one_class_plots import write_plots
from mmcvgssl.weights import WeightsError
from mmcvgssl.weights.checkpoints import (
    checkpoints_in,
    newest_whole_checkpoint,
)

FITTED = 'fitted.safetensors'
TRAIN = 'train'  # folder of logs and checkpoints
UNNAMED = 'all'  # folder of what has no category
_KIND = 'mmcvgssl.OneClassDetector'
_MODEL_PATH_ADVICE = 'the work directory says where the model file goes'


def run_one_class(
    cfg: Config,
    work_dir: str | Path,
    categories: Sequence[str] = (),
    test: bool = True,
) -> dict[str, dict[str, Any]]:
    """Train, fit and evaluate each category, and write their table.

    Finished work is reused: a category with a result is left alone, a
    training goes on from its last checkpoint. What was made of other images,
    weights or settings is moved to the folder ``earlier`` beside it.

    Args:
        cfg: Config with ``model`` and ``train_dataloader`` for what is
            trained, and ``detector``; or with an ``OneClassDetector`` as
            ``model``. Also with ``fit_dataloader``, ``test_dataloader`` and
            ``test_evaluator``.
        work_dir: Each category gets a folder in it.
        categories: Names, or several with commas between; none or ``all``:
            all that there are.
        test: Whether there are images to test on; without, the model file
            is made alone.

    Returns:
        The result of each category, by its name.

    Raises:
        ValueError: If the config describes no detector, a category is
            unknown, an image is learned from and tested on, or there are
            too few good images for the wanted rate of false alarms, or a
            hook of the config cannot act.
        ProvenanceError: If the folder holds results that do not say what
            they depend on.
        FolderInUseError: If another run writes to a category's folder.

    Example:
        >>> from mmcvgssl.apis import load_config
        >>> cfg = load_config('anomaly.py')
        >>> results = run_one_class(cfg, 'work_dirs', test=False)
        >>> print(Path('work_dirs/results.md').read_text(), end='')
        | category | false_alarms | detected |
        | --- | --- | --- |
        | all | – | – |
        | mean | – | – |
        >>> Path('work_dirs/all/model.safetensors').is_file()
        True
    """
    start_processes(cfg)
    init_default_scope(cfg.get('default_scope', 'mmpretrain'))
    if not test:
        cfg = copy.deepcopy(cfg)
        cfg.test_dataloader = cfg.test_evaluator = None
    check_config(cfg, test)
    _test_hooks(cfg)  # raises before work starts
    names = find_categories(cfg, categories)
    if test:
        for name in names:
            check_apart(for_category(cfg, name))
    results = {}
    work_dir = Path(work_dir)
    for name in names:
        folder = work_dir / (name or UNNAMED)
        own = for_category(cfg, name)
        settle_images(own)  # before it is compared with what is done
        with locked(folder):
            results[name or UNNAMED] = run_category(own, folder, name)
    if is_main_process():
        write_table(results, work_dir)
    return results


def check_config(cfg: Config, test: bool = True) -> None:
    """Check that a config can be run, with its test or without.

    Raises:
        ValueError: If something is missing.
    """
    detector = cfg.get('detector') or cfg.get('model') or {}
    parts = ['fit_dataloader']
    if test:
        parts += ['test_dataloader', 'test_evaluator']
    missing = [key for key in parts if cfg.get(key) is None]
    if detector.get('type') not in (_KIND, OneClassDetector.__name__):
        missing.insert(0, f'`detector` of type {_KIND}')
    if missing:
        raise ValueError(
            f'{cfg.filename} describes no one-class detector: it lacks '
            f'{", ".join(missing)}; see configs/anomaly/cutpaste'
        )
    if cfg.get('load_from') and not cfg.get('detector'):
        raise ValueError(
            f'load_from={cfg.load_from!r} is what training starts with, and '
            'nothing is trained: set model.checkpoint to weights of the '
            'backbone'
        )
    data = cfg.get('data_preprocessor') or {}
    if cfg.get('detector') and not data.get('to_rgb', False):
        raise ValueError(
            'the detector sees RGB images: set data_preprocessor.to_rgb=True'
        )


def check_apart(cfg: Config) -> None:
    """Refuse to test on images that are learned from.

    Raises:
        ValueError: Names one.
    """
    tested = _paths(cfg, 'test')
    for part in ('fit', 'train'):
        if cfg.get(f'{part}_dataloader') is None:
            continue
        both = tested & _paths(cfg, part)
        if both:
            raise ValueError(
                f'{len(both)} of {len(tested)} images to test on are learned '
                f'from, {min(both)} among them: list those to test on in '
                'split_dir/test.txt, which mmcvgssl prepare '
                'one-class-to-simclr writes, or test nothing (--no-test)'
            )


def _paths(cfg: Config, part: str) -> set[str]:
    infos = _infos(cfg[f'{part}_dataloader'].dataset.to_dict())
    return {os.path.realpath(info['img_path']) for info in infos}


def _infos(options: dict[str, Any]) -> list[dict[str, Any]]:
    """Describe the images of a data set, each once."""
    data_set = DATASETS.build({**options, 'pipeline': []})
    return [data_set.get_data_info(i) for i in range(data_set.n_images)]


def find_categories(cfg: Config, wanted: Sequence[str] = ()) -> list[str]:
    """Return the names of categories; ``['']`` where there are none.

    Raises:
        ValueError: If one that is wanted is unknown.
    """
    options = cfg.fit_dataloader.dataset.to_dict()
    if 'category' in options:
        options['category'] = ''
    found = sorted({info.get('category', '') for info in _infos(options)})
    names = []
    for name in wanted:
        # a name may hold a comma
        names += [name] if name in found else name.split(',')
    names = [n if n in found else n.strip() for n in names]
    names = [name for name in names if name not in ('all', '')]
    unknown = sorted(set(names) - set(found))
    if unknown:
        known = ', '.join(name or '(one without a name)' for name in found)
        raise ValueError(
            f'{options.get("data_root")} has no category '
            f'{", ".join(unknown)}; it has {known}'
        )
    return list(dict.fromkeys(names)) or found


def for_category(cfg: Config, name: str) -> Config:
    """Return a copy of a config that reads one category."""
    cfg = copy.deepcopy(cfg)
    if name:
        for part in ('train', 'fit', 'test'):
            loader = cfg.get(f'{part}_dataloader')
            if loader is not None:
                loader.dataset.category = name
        if 'category' in cfg:
            cfg.category = name
    return cfg


def run_category(cfg: Config, folder: Path, name: str = '') -> dict[str, Any]:
    """Train, fit and evaluate one category, or read its result."""
    cfg = hold_out(cfg)
    training = training_provenance(cfg, folder / TRAIN)
    if is_done(cfg, folder, training):
        return read_result(folder / RESULT)
    if cfg.get('test_dataloader') is not None:
        tested = cfg.test_dataloader.dataset.to_dict()
        check_test_images(_infos(tested), tested['pipeline'])
    checkpoint = None
    if training is not None:
        what = f'the training in {folder / TRAIN}'
        settle(training, folder / TRAIN, ['*'], what)
        checkpoint = train_category(cfg, folder / TRAIN)
    return evaluate_category(cfg, folder, name, checkpoint)


def train_category(cfg: Config, folder: Path) -> str:
    """Train, or go on training; return the last checkpoint.

    Raises:
        RuntimeError: If the training has left no checkpoint.
    """
    cfg = _stage(cfg, folder)
    if checkpoints_in(folder):
        cfg.resume, cfg.load_from = True, None
    for part in ('val', 'test'):
        for key in ('dataloader', 'cfg', 'evaluator'):
            cfg.pop(f'{part}_{key}', None)
    runner = build_runner(cfg, settled=True)
    check_before_training(runner)
    runner.train()
    barrier()
    checkpoint = newest_whole_checkpoint(folder)
    if checkpoint is None:
        raise RuntimeError(
            f'the training has left no checkpoint in {folder}: '
            'default_hooks.checkpoint must write one'
        )
    return str(checkpoint)


def detector_config(cfg: Config, checkpoint: str | None) -> dict[str, Any]:
    """Return the config of the detector around what was trained."""
    if not cfg.get('detector'):
        return cfg.model.to_dict()
    trained = cfg.model.to_dict()
    data = cfg.data_preprocessor.to_dict()
    return {
        'backbone': trained['backbone'],
        'mean': data['mean'],
        'std': data['std'],
        **cfg.detector.to_dict(),
        'checkpoint': checkpoint,
    }


def evaluate_category(
    cfg: Config, folder: Path, name: str, checkpoint: str | None
) -> dict[str, Any]:
    """Fit and, if there is a test, test; write the results."""
    has_test = cfg.get('test_dataloader') is not None
    source = cfg.test_dataloader if has_test else cfg.fit_dataloader
    pipeline = source.dataset.pipeline
    test = _stage(cfg, folder / 'test')
    test.load_from, test.resume = None, False  # the detector has its own
    test.model = ConfigDict(detector_config(cfg, checkpoint))
    test.test_cfg = cfg.get('test_cfg') or ConfigDict()
    if not has_test:
        test.test_cfg = None
    test.fit_cfg = fit_config(
        cfg, _MODEL_PATH_ADVICE, state=str(folder / FITTED)
    )
    test.custom_hooks = _test_hooks(cfg)
    for part in ('train', 'val'):
        for key in ('dataloader', 'cfg', 'evaluator'):
            test.pop(f'{part}_{key}', None)
    for key in ('optim_wrapper', 'param_scheduler', 'data_preprocessor'):
        test.pop(key, None)
    test.auto_scale_lr = None
    runner = build_runner(test, settled=True)
    model = getattr(runner.model, 'module', runner.model)
    trained = bool(cfg.get('detector'))
    model.knows_fit_images = trained and not cfg.get('holdout_dataloader')
    write_held_out(cfg, folder)
    scores, metrics = ScoreCollector(), {}
    if has_test:
        runner.test_loop.evaluator.metrics.append(scores)
        metrics = runner.test()
    else:
        runner.call_hook('before_test')

    def write() -> dict[str, Any]:
        write_model(model, test.model, pipeline, folder / MODEL, name)
        result = {
            'category': name,
            'metrics': {k: float(v) for k, v in metrics.items()},
            **rates(scores.collected, model.operating_point, model.chosen),
        }
        if has_test:
            write_plots(scores.collected, model.threshold, folder)
        write_category(result, scores.collected, folder / RESULT)
        return result

    return on_first_process(write)


def write_model(
    model: OneClassDetector,
    config: ConfigDict,
    pipeline: Sequence[dict[str, Any]],
    path: Path,
    category: str = '',
) -> None:
    """Write the model file, or warn that this model cannot have one."""
    try:
        anomaly.to_file(
            model, config, prediction_steps(pipeline), category
        ).write(path)
    except WeightsError as error:
        MMLogger.get_current_instance().warning(
            f'there is no model file for mmcvgssl predict: {error}'
        )


def _test_hooks(cfg: Config) -> list[Any]:
    own = [dict(type='mmcvgssl.AnomalyFitHook')]
    return join_hooks(
        cfg, own, _MODEL_PATH_ADVICE, trained=bool(cfg.get('detector'))
    )


def _stage(cfg: Config, folder: Path) -> Config:
    cfg = copy.deepcopy(cfg)
    cfg.pop('detector', None)
    cfg.work_dir = str(folder)
    cfg.setdefault('launcher', 'none')
    # runners of one process must differ by name
    cfg.experiment_name = f'{folder.parent.name}-{uuid.uuid4().hex[:8]}'
    return cfg
