"""What an installation of :mod:`mmcvgssl.compat` has changed, to undo it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

_MISSING = object()
_undo: list[Callable[[], None]] = []


def undo_by(restore: Callable[[], None]) -> None:
    """Have :func:`undo_all` call ``restore``; the last comes first."""
    _undo.append(restore)


def set_attribute(owner: Any, name: str, value: Any) -> None:
    """Set an attribute of a module or class until it is undone."""
    old = vars(owner).get(name, _MISSING)

    def restore() -> None:
        # a value that was set since then stays
        if vars(owner).get(name) is not value:
            return
        if old is _MISSING:
            delattr(owner, name)
        else:
            setattr(owner, name, old)

    setattr(owner, name, value)
    undo_by(restore)


def set_environment(name: str, value: str) -> None:
    """Set an environment variable, if it is not set, until it is undone."""
    if name in os.environ:
        return
    os.environ[name] = value

    def restore() -> None:
        if os.environ.get(name) == value:
            del os.environ[name]

    undo_by(restore)


def undo_all() -> None:
    """Undo every change, the last one first."""
    while _undo:
        _undo.pop()()
