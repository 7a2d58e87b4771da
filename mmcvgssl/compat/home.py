"""Processes without a home folder, as containers start them.

``docker run --user 54321`` gives a number that has no entry in the password
file, and perhaps no ``HOME``.
"""

from __future__ import annotations

import functools
import os
from types import ModuleType
from typing import Any

from .changes import set_attribute, set_environment
from .import_hook import after_import


def _cache_if_possible(module: ModuleType) -> None:
    """Let numba compile where it finds no folder for its cache."""
    enable = module.Dispatcher.enable_caching

    @functools.wraps(enable)
    def enable_caching(self: Any) -> None:
        try:
            enable(self)
        except RuntimeError as error:
            if 'no locator available' not in str(error):
                raise

    set_attribute(module.Dispatcher, 'enable_caching', enable_caching)


def do_without_home() -> None:
    """Let the hosts be imported without a home, or without a writable one.

    Where there is none at all, ``HOME`` becomes ``/``, as Docker sets it:
    ``~/.cache`` would else be a folder ``~`` in the current one. What wants
    to write there says that it may not.
    """
    if os.name == 'posix' and os.path.expanduser('~') == '~':
        set_environment('HOME', '/')
    after_import('numba.core.dispatcher', _cache_if_possible)
