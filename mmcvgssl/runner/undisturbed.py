"""What mmengine keeps for a whole process, as it was before a call."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope

from mmcvgssl.progress import log_level
from mmcvgssl.randomness import isolated
from mmcvgssl.terminal_log import settle_terminal

_NAME = 'mmcvgssl'


@contextmanager
def undisturbed(scope: str = 'mmpretrain') -> Iterator[None]:
    """Leave default scope, loggers and generators as they were.

    Within, warnings are shown, and nothing else of the log; in a command, what
    the command was asked to show.

    Args:
        scope: Default scope within.
    """
    managers: tuple[Any, ...] = (DefaultScope, MMLogger)
    before = [dict(manager._instance_dict) for manager in managers]
    # the last one made is the current one
    MMLogger._instance_dict.clear()
    level = logging.WARNING if log_level() is None else logging.INFO
    settle_terminal(MMLogger.get_instance(_NAME, log_level=level))
    try:
        with isolated(), DefaultScope.overwrite_default_scope(scope):
            yield
    finally:
        for manager, known in zip(managers, before, strict=True):
            manager._instance_dict.clear()
            manager._instance_dict.update(known)
