"""Hooks and loops of a config, beside those of a tool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.hooks import SyncBuffersHook

from mmcvgssl.engine import (
    EpochSeedHook,
    InvalidLossHook,
    MoreWorkersHook,
)
from mmcvgssl.engine.hook_stages import (
    acts_in_tests,
    custom_hooks,
    dict_of,
    hook_class,
    is_fitting,
)

# of configs/_base_/default_runtime.py, which many configs inherit
_INHERITED = (
    EpochSeedHook,
    InvalidLossHook,
    MoreWorkersHook,
    SyncBuffersHook,
)


def join_hooks(
    cfg: Config,
    own: Sequence[Mapping[str, Any]],
    fix: str,
    trained: bool = False,
) -> list[Any]:
    """Return the hooks of a tool's test, with the config's beside them.

    Args:
        cfg: Config with ``custom_hooks``.
        own: Hooks of the tool.
        fix: Advice instead of setting the options of these.
        trained: Whether hooks of trainings have acted, in a training before
            the test; without one they are refused.

    Raises:
        ValueError: If a hook cannot act in the test, or sets what the tool
            sets.
    """
    others = []
    for i, hook in enumerate(custom_hooks(cfg)):
        kind = hook_class(hook, cfg)
        name = f'custom_hooks.{i}, {kind.__name__},'
        if is_fitting(kind):
            _require_same(hook, own, name, fix)
        elif acts_in_tests(kind):
            others.append(hook)
        elif not trained and kind not in _INHERITED:
            raise ValueError(
                f'{name} acts in trainings alone, and nothing is trained '
                'here: leave it out of custom_hooks'
            )
    return [*map(dict, own), *others]


def fit_config(cfg: Config, fix: str, **own: Any) -> ConfigDict:
    """Return the config's ``fit_cfg`` with what a tool sets.

    Args:
        cfg: Config with or without it.
        fix: Advice instead of setting what the tool sets.
        **own: Settings of the tool.

    Raises:
        ValueError: If the config sets one to something else.
    """
    return loop_config(cfg, 'fit_cfg', fix, {'type': 'mmcvgssl.FitLoop'}, own)


def loop_config(
    cfg: Config,
    key: str,
    fix: str,
    usual: Mapping[str, Any],
    own: Mapping[str, Any],
) -> ConfigDict:
    """Return a loop's config, as ``fit_cfg``, with what a tool sets.

    Args:
        cfg: Config with or without it.
        key: Name of the loop's config.
        fix: Advice instead of setting what the tool sets.
        usual: Defaults where the config says nothing.
        own: Settings of the tool.

    Raises:
        ValueError: If the config sets one of these to something else.
    """
    given = {**usual, **(cfg.get(key) or {})}
    for name, value in own.items():
        if given.get(name) and given[name] != value:
            raise ValueError(
                f'{key} sets {name}={given[name]!r}, which the tool sets '
                f'itself: {fix}'
            )
    return ConfigDict({**given, **own})


def _require_same(
    hook: Any, own: Sequence[Mapping[str, Any]], name: str, fix: str
) -> None:
    options = dict_of(hook)
    kind = str(options.get('type')).rpartition('.')[2]
    ours: Mapping[str, Any] = {}
    for one in own:
        if one['type'].rpartition('.')[2] == kind:
            ours = one
    for key, value in options.items():
        if key != 'type' and (key not in ours or ours[key] != value):
            raise ValueError(
                f'{name} sets {key}={value!r}, which the tool sets itself: '
                f'{fix}'
            )
