"""Checks of values that would have no effect."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

_TRAINING = ('train_dataloader', 'train_cfg', 'optim_wrapper')
_LARGEST_SEED = 2**32 - 1  # of numpy


def check_run_values(cfg: Mapping[str, Any]) -> None:
    """Refuse what is missing, and lengths, seeds and levels out of range.

    Args:
        cfg: Whole config.

    Raises:
        ValueError: Names the setting.
    """
    if cfg.get('model') is None:
        raise ValueError(
            f'{getattr(cfg, "filename", None) or "the config"} describes no '
            '`model`; see configs/ for what does'
        )
    parts = {key: cfg.get(key) is not None for key in _TRAINING}
    missing = [key for key, there in parts.items() if not there]
    if missing and any(parts.values()):
        raise ValueError(
            f'a training needs {", ".join(_TRAINING)}, and the config has no '
            f'{" and no ".join(missing)}'
        )
    length = cfg.get('train_cfg') or {}
    for name in ('max_epochs', 'max_iters', 'val_interval'):
        value = length.get(name)
        if value is not None and (type(value) is not int or value < 1):
            raise ValueError(
                f'train_cfg.{name}={value!r}: expected a whole number from 1'
            )
    seed = (cfg.get('randomness') or {}).get('seed')
    if seed is not None and (
        type(seed) is not int or not 0 <= seed <= _LARGEST_SEED
    ):
        raise ValueError(
            f'randomness.seed={seed!r}: expected a whole number from 0 to '
            f'{_LARGEST_SEED}'
        )
    level = cfg.get('log_level', 'INFO')
    if isinstance(level, str) and not isinstance(
        logging.getLevelName(level), int
    ):
        raise ValueError(
            f'log_level={level!r}: expected DEBUG, INFO, WARNING or ERROR'
        )
