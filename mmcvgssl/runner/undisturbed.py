"""What mmengine keeps for a whole process, as it was before a call."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope

from mmcvgssl.randomness import isolated

_NAME = 'mmcvgssl'


@contextmanager
def undisturbed(scope: str = 'mmpretrain') -> Iterator[None]:
    """Leave default scope, loggers and generators as they were.

    Within, warnings are shown, and nothing else of the log.

    Args:
        scope: Default scope within.
    """
    managers: tuple[Any, ...] = (DefaultScope, MMLogger)
    before = [dict(manager._instance_dict) for manager in managers]
    # the last one made is the current one
    MMLogger._instance_dict.clear()
    MMLogger.get_instance(_NAME, log_level=logging.WARNING)
    try:
        with isolated(), DefaultScope.overwrite_default_scope(scope):
            yield
    finally:
        for manager, known in zip(managers, before, strict=True):
            manager._instance_dict.clear()
            manager._instance_dict.update(known)
