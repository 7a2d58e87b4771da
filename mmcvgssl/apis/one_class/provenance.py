"""Provenance of a category's training and result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import get_world_size
from mmengine.registry import DATASETS

from mmcvgssl.apis.one_class.holdout import LIST
from mmcvgssl.apis.one_class.table import read_result
from mmcvgssl.engine.hook_stages import hooks_in_tests, named_options
from mmcvgssl.processes import on_first_process
from mmcvgssl.provenance import (
    PATHS,
    RECORD,
    SPEED,
    Provenance,
    of_config,
    of_dataset,
    of_training,
    of_versions,
    settle,
)
from mmcvgssl.utils import atomic_write

RESULT = 'result.json'
# loaders, and what their images are called
_IMAGES = {
    'fit': 'fit_images',
    'holdout': 'held_out_images',
    'test': 'test_images',
}
MODEL = 'model.safetensors'
# of a category's folder, what is written; fitting sees to the fitted state
_WRITTEN = (RESULT, MODEL, 'scores.csv', '*.png', 'test', 'config.py', LIST)


def training_provenance(cfg: Config, folder: Path) -> Provenance | None:
    """Return the provenance of a training; None if nothing is trained.

    Args:
        cfg: Config of one category.
        folder: Folder of the training.
    """
    if not cfg.get('detector'):
        return None
    data_set = _data_set(cfg.train_dataloader.dataset)
    return of_training(cfg, data_set, get_world_size(), _known(folder))


def is_done(cfg: Config, folder: Path, training: Provenance | None) -> bool:
    """Whether there is a result, in all processes.

    One of other images, weights or settings is moved aside.

    Args:
        cfg: Config of one category.
        folder: Folder of the category.
        training: Provenance of its training.

    Raises:
        ProvenanceError: If a result does not say what it depends on.
    """
    known = _known(folder)
    ours = _of_result(cfg, training, known)
    has_test = cfg.get('test_dataloader') is not None
    if not (has_test or known is None) and not ours.differences(
        known.without('test')
    ):
        ours = known  # a test beside it does no harm
    settle(ours, folder, _WRITTEN, f'the result in {folder}')

    def look() -> bool:
        file = folder / RESULT
        done = file.is_file() and (
            not has_test or read_result(file)['images'] > 0
        )
        if not done:
            atomic_write(folder / 'config.py', cfg.pretty_text.encode())
        return done

    return on_first_process(look)


def _of_result(
    cfg: Config, training: Provenance | None, known: Provenance | None
) -> Provenance:
    # loaders' batches change nothing here
    drop = SPEED | PATHS | {'batch_size'}
    keys = ['fit_dataloader', 'test_dataloader', 'test_evaluator']
    keys.append('model' if training is None else 'detector')
    parts = {key: cfg[key] for key in keys if cfg.get(key) is not None}
    if cfg.get('test_cfg'):
        parts['test_cfg'] = cfg.test_cfg
    hooks = named_options(hooks_in_tests(cfg))
    if hooks:
        parts['custom_hooks'] = hooks
    ours = Provenance(of_config(parts, drop))
    ours |= of_versions(cfg.get('model'), also=('sklearn',))
    if training is not None:
        ours |= training.under('training')
    for part, name in _IMAGES.items():
        loader = cfg.get(f'{part}_dataloader')
        if loader is not None:
            data_set = _data_set(loader.dataset)
            ours |= of_dataset(data_set, name, known)
    return ours


def _data_set(options: dict[str, Any]) -> Any:
    return DATASETS.build({**options, 'pipeline': []})


def _known(folder: Path) -> Provenance | None:
    return on_first_process(lambda: Provenance.read(folder / RECORD))
