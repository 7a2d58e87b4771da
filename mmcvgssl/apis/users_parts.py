"""Hooks and metrics that a config holds beside those of a tool."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.hooks import SyncBuffersHook
from mmengine.logging import MMLogger
from mmengine.registry import METRICS

from mmcvgssl.engine import EpochSeedHook, InvalidLossHook
from mmcvgssl.engine.hook_stages import (
    acts_in_tests,
    custom_hooks,
    dict_of,
    hook_class,
    is_fitting,
)
from mmcvgssl.evaluation import AnomalyMetric
from mmcvgssl.registry import class_of

# of configs/_base_/default_runtime.py, which many configs inherit
_INHERITED = (EpochSeedHook, InvalidLossHook, SyncBuffersHook)
_HOSTS = ('mmcvgssl', 'mmpretrain', 'mmdet', 'mmyolo')


def join_hooks(
    cfg: Config,
    own: Sequence[Mapping[str, Any]],
    fix: str,
    trained: bool = False,
) -> list[Any]:
    """Return the hooks of a tool's test, with the config's beside them.

    Args:
        cfg: With ``custom_hooks``.
        own: Hooks of the tool.
        fix: What to do instead of setting the options of these.
        trained: Whether hooks of trainings have acted, in a training before
            the test; without one they are refused.

    Raises:
        ValueError: If a hook cannot act in the test, or sets what the tool
            sets.
    """
    kept = []
    for i, hook in enumerate(custom_hooks(cfg)):
        kind = hook_class(hook, cfg)
        name = f'custom_hooks.{i}, {kind.__name__},'
        if is_fitting(kind):
            _require_same(hook, own, name, fix)
        elif acts_in_tests(kind):
            kept.append(hook)
        elif not trained and kind not in _INHERITED:
            raise ValueError(
                f'{name} acts in trainings alone, and nothing is trained '
                'here: leave it out of custom_hooks'
            )
    return [*map(dict, own), *kept]


def fit_config(cfg: Config, fix: str, **own: Any) -> ConfigDict:
    """Return the config's ``fit_cfg`` with what a tool sets.

    Args:
        cfg: With or without it.
        fix: What to do instead of setting what the tool sets.
        **own: What it sets.

    Raises:
        ValueError: If the config sets one to something else.
    """
    held = dict(cfg.get('fit_cfg') or {'type': 'mmcvgssl.FitLoop'})
    for key, value in own.items():
        if held.get(key) and held[key] != value:
            raise ValueError(
                f'fit_cfg sets {key}={held[key]!r}, which the tool sets '
                f'itself: {fix}'
            )
    return ConfigDict(held | own)


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


def metrics_without_labels(cfg: Config) -> Any:
    """Return the config's evaluator for images that have no labels.

    Metrics of this package and of the hosts compare with labels: they are left
    out, and it is said. mmengine's ``DumpResults`` and the user's stay.

    Args:
        cfg: With ``test_evaluator`` and ``default_scope``.

    Raises:
        ValueError: If no metric of a name is registered.
    """
    held = cfg.get('test_evaluator') or []
    given = dict_of(held).get('metrics', held)
    given = given if isinstance(given, (list, tuple)) else [given]
    kept = [metric for metric in given if _needs_no_labels(metric, cfg)]
    if 'metrics' in dict_of(held):
        return ConfigDict({**dict_of(held), 'metrics': kept})
    return kept


def _needs_no_labels(metric: Any, cfg: Config) -> bool:
    given, scope = dict_of(metric), cfg.get('default_scope')
    kind = given.get('type', type(metric))
    kind = class_of(kind, METRICS, scope, 'test_evaluator')
    if kind.__module__.partition('.')[0] not in _HOSTS:
        return True
    # the data sets of the package bring it, so it is no surprise
    usual = issubclass(kind, AnomalyMetric)
    MMLogger.get_current_instance().log(
        logging.INFO if usual else logging.WARNING,
        f'test_evaluator: {kind.__name__} is left out, as maps are made of '
        'images without labels; tools/test.py computes it',
    )
    return False
