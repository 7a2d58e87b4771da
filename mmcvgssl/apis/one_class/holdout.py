"""Holding good images out of training and fitting, for the threshold."""

from __future__ import annotations

import copy
import os
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.registry import DATASETS

from mmcvgssl.datasets.holdout import HELD_OUT
from mmcvgssl.evaluation.operating_point import check_count
from mmcvgssl.utils import atomic_write

LIST = 'held_out.txt'
SHARE = 0.2


def hold_out(cfg: Config) -> Config:
    """Return a config whose training and fitting leave images out.

    A backbone that is trained knows the images it was trained on, so a
    threshold is chosen on others, by ``holdout_dataloader``. What is not
    trained needs none.

    Args:
        cfg: Config of one category. ``detector.holdout`` is the share of the
            good images, and ``randomness.seed`` fixes the draw.

    Raises:
        ValueError: If too few are held out for the wanted rate, or one is
            learned from after all.
    """
    detector = cfg.get('detector') or cfg.model
    rate = detector.get('false_alarm_rate', 0.05)
    if rate is None:
        return cfg
    share = detector.get('holdout', SHARE) if cfg.get('detector') else 0
    if not share:
        check_count(len(_paths(cfg, 'fit')), rate)
        return cfg
    cfg = copy.deepcopy(cfg)
    n_all = len(_paths(cfg, 'fit'))
    seed = (cfg.get('randomness') or {}).get('seed') or 0
    for part in ('train', 'fit'):
        data_set = cfg[f'{part}_dataloader'].dataset
        data_set.holdout, data_set.holdout_seed = share, seed
    cfg.holdout_dataloader = copy.deepcopy(cfg.fit_dataloader)
    cfg.holdout_dataloader.dataset.part = HELD_OUT
    reserved = _paths(cfg, 'holdout')
    try:
        check_count(len(reserved), rate)
    except ValueError as error:
        raise ValueError(
            f'of {n_all} good images, {len(reserved)} are held out for the '
            f'threshold, as the backbone is trained on the others: {error}, '
            'hold out a larger share (detector.holdout), take no threshold '
            '(detector.false_alarm_rate=None), or take one of unknown rate '
            '(detector.holdout=0)'
        ) from error
    both = set(reserved) & set(_paths(cfg, 'train'))
    if both:
        raise ValueError(
            f'{len(both)} of {len(reserved)} images held out for the '
            f'threshold are trained on, {min(both)} among them: let '
            'train_dataloader and fit_dataloader read the same list'
        )
    return cfg


def write_held_out(cfg: Config, folder: Path) -> None:
    """List the images held out in a file beside the model, if there are any.

    Args:
        cfg: Result of :func:`hold_out`.
        folder: Folder of the category.
    """
    if cfg.get('holdout_dataloader') is None or not is_main_process():
        return
    root = cfg.holdout_dataloader.dataset.get('data_root', '')
    names = [
        os.path.relpath(path, os.path.realpath(root))
        for path in _paths(cfg, 'holdout')
    ]
    text = ''.join(f'{name}\n' for name in sorted(names))
    atomic_write(folder / LIST, text.encode('utf-8', 'surrogateescape'))


def _paths(cfg: Config, part: str) -> list[str]:
    options = cfg[f'{part}_dataloader'].dataset.to_dict()
    data_set = DATASETS.build({**options, 'pipeline': []})
    return [
        os.path.realpath(data_set.get_data_info(i)['img_path'])
        for i in range(data_set.n_images)
    ]
