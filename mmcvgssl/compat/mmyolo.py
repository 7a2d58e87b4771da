"""mmyolo 0.6 beside a newer mmcv.

Its ``__init__`` refuses mmcv 2.1.0 and newer, yet runs with it. It is shown
a version inside its range while it executes, and nobody else is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from types import ModuleType

from .import_hook import around_import

SHOWN = '2.0.1'
FIRST_REFUSED = (2, 1)


@contextmanager
def shown_version(module: ModuleType) -> Iterator[None]:
    """Show mmcv's version as 2.0.1 in the block, if it is 2.1.0 or newer."""
    # What else looks at mmcv's version on import must see the true one, so
    # it goes first. mmyolo's own import reports a missing host.
    with suppress(ImportError):
        import_module('mmdet')
    try:
        mmcv = import_module('mmcv')
    except ImportError:
        yield
        return
    from mmengine.utils import digit_version

    true = mmcv.__version__
    if tuple(digit_version(true)[:2]) < FIRST_REFUSED:
        yield
        return
    vars(mmcv)['__version__'] = SHOWN
    try:
        yield
    finally:
        vars(mmcv)['__version__'] = true


def accept_newer_mmcv() -> None:
    """Let ``import mmyolo`` succeed beside mmcv 2.1.0 and newer."""
    around_import('mmyolo', shown_version)
