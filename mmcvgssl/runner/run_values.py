"""Checks of values that would have no effect."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
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


def schedule_note(cfg: Mapping[str, Any]) -> str:
    """Say which parts of a schedule are for another number of epochs.

    Args:
        cfg: Whole config.

    Returns:
        The values, and the options that fit; '' where all do.
    """
    epochs = (cfg.get('train_cfg') or {}).get('max_epochs')
    if epochs is None:
        return ''
    found = [*_rates(cfg, epochs), *_hooks(cfg, epochs)]
    if not found:
        return ''
    are = ', '.join(f'{name}={value}' for name, value, _ in found)
    fit = ' '.join(
        f'{name}={value}'.replace(' ', '') for name, _, value in found
    )
    return (
        f'train_cfg.max_epochs={epochs}, but the schedule is for another '
        f'length ({are}): the learning rate or the transforms will not '
        f'change when they should; set {fit}, if this is no short trial'
    )


def _rates(
    cfg: Mapping[str, Any], epochs: int
) -> Iterator[tuple[str, Any, Any]]:
    """Give options of schedulers, their values and those that fit."""
    steps = cfg.get('param_scheduler') or []
    steps = [steps] if 'type' in steps else steps
    if not isinstance(steps, Sequence):
        return
    ends: dict[int, int] = {}
    for i, step in enumerate(steps):
        if not isinstance(step, Mapping) or not step.get('by_epoch', True):
            continue
        begin, turns = step.get('begin', 0), step.get('milestones')
        if turns and max(turns) >= epochs:
            fits = [turn * epochs // (max(turns) + 1) for turn in turns]
            yield f'param_scheduler.{i}.milestones', turns, fits
        end = step.get('end', begin + step.get('T_max', 0))
        if end > begin and not _warms_up(step):
            ends[i] = end
    last = max(ends.values(), default=epochs)
    for i, end in ends.items():
        if end != last or end == epochs:
            continue
        begin, turn = steps[i].get('begin', 0), steps[i].get('T_max')
        fits = begin if begin < epochs else begin * epochs // end
        if fits != begin:
            yield f'param_scheduler.{i}.begin', begin, fits
        if 'end' in steps[i]:
            yield f'param_scheduler.{i}.end', end, epochs
        if turn == end - begin:
            yield f'param_scheduler.{i}.T_max', turn, epochs - fits


def _warms_up(step: Mapping[str, Any]) -> bool:
    """Whether a scheduler ends with the rate that the others start from."""
    return 'LinearLR' in _kind(step) and (
        step.get('start_factor', 1 / 3) < step.get('end_factor', 1.0)
    )


def _kind(part: Any) -> str:
    """Return the type that a config names, or is; '' of a ready object."""
    return str(part.get('type')) if isinstance(part, Mapping) else ''


def _hooks(
    cfg: Mapping[str, Any], epochs: int
) -> Iterator[tuple[str, Any, Any]]:
    """Give options of hooks of detectors, their values and those that fit."""
    own = (cfg.get('default_hooks') or {}).get('param_scheduler')
    own = own if isinstance(own, Mapping) else {}
    if own.get('max_epochs', epochs) != epochs:
        name = 'default_hooks.param_scheduler.max_epochs'
        yield name, own['max_epochs'], epochs
    for i, hook in enumerate(cfg.get('custom_hooks') or []):
        if 'PipelineSwitchHook' not in _kind(hook):
            continue
        switch = hook.get('switch_epoch', 0)
        if switch > epochs:
            fits = max(epochs - 10, 1)
            yield f'custom_hooks.{i}.switch_epoch', switch, fits
