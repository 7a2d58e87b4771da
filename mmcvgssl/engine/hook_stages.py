"""The stages in which the hooks of a config act."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from mmcvgssl.registry import class_of

# hooks that tools set themselves, not the user
FITTING = ('AnomalyFitHook',)
# stages of any run
_ANY = {'before_run', 'after_run', 'after_load_checkpoint'}


def custom_hooks(cfg: Config) -> list[Any]:
    """Return the custom hooks of a config, checked.

    Raises:
        ValueError: If they are no list of hooks.
    """
    hooks = cfg.get('custom_hooks')
    if hooks is None:
        return []
    if not isinstance(hooks, (list, tuple)):
        raise ValueError(
            'custom_hooks is a list, as [dict(type="EMAHook")], got '
            f'{str(hooks)[:80]!r}'
        )
    for i, hook in enumerate(hooks):
        if not isinstance(hook, Hook) and 'type' not in dict_of(hook):
            raise ValueError(
                f'custom_hooks.{i} is {str(hook)[:80]!r}: expected a dict '
                'with the type of a hook, as dict(type="EMAHook")'
            )
    return list(hooks)


def dict_of(hook: Any) -> dict[str, Any]:
    """Return a hook's options; of what is no dict, none."""
    return dict(hook) if isinstance(hook, dict) else {}


def hook_class(hook: Any, cfg: Config) -> type[Hook]:
    """Return the class of a hook of a config.

    Raises:
        ValueError: If there is none of this name.
    """
    kind = dict_of(hook).get('type', type(hook))
    return class_of(kind, HOOKS, cfg.get('default_scope'), 'custom_hooks')


def acts_in_tests(kind: type[Hook]) -> bool:
    """Whether hooks of a class do something in a run that is a test."""
    # only methods are inspected, so a class is enough
    stages = set(Hook.get_triggered_stages(kind))  # type: ignore[arg-type]
    return not stages - _ANY or any('_test' in stage for stage in stages)


def hooks_in_tests(cfg: Config) -> list[Any]:
    """Return the user's hooks that act in a test, for what depends on them.

    Raises:
        ValueError: See :func:`custom_hooks` and :func:`hook_class`.
    """
    return [
        hook
        for hook in custom_hooks(cfg)
        if not is_fitting(kind := hook_class(hook, cfg))
        and acts_in_tests(kind)
    ]


def is_fitting(kind: type[Hook]) -> bool:
    """Whether it is a hook that tools set."""
    return kind.__name__ in FITTING


def named_options(hooks: Sequence[Any]) -> list[Any]:
    """Return hooks as a record of what depends on them can hold them."""
    return [dict_of(h) or type(h).__name__ for h in hooks]
