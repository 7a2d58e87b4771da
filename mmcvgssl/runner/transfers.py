"""Batches that travel to a GPU while it computes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.model import BaseDataPreprocessor
from torch import nn


def pinned(loader: Mapping[str, Any]) -> dict[str, Any]:
    """Return a loader whose batches lie where a GPU fetches them by itself.

    Args:
        loader: Its config, whose own ``pin_memory`` counts.

    Example:
        >>> pinned(dict(batch_size=4))
        {'pin_memory': True, 'batch_size': 4}
    """
    return {'pin_memory': True, **loader}


def copy_ahead(model: nn.Module) -> None:
    """Have no copy of a batch wait until earlier work is done.

    The hosts' ``non_blocking`` is off by default: then each batch waits for
    all updates before it, and the host prepares nothing meanwhile.

    Args:
        model: Its data preprocessors are changed, at any depth.
    """
    for module in model.modules():
        if isinstance(module, BaseDataPreprocessor):
            module._non_blocking = True
