"""Batches of whole images, one transfer each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmcvgssl.datasets.views import Canvas
from mmcvgssl.registry import FUNCTIONS


@FUNCTIONS.register_module()
def canvas_collate(batch: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Collate images of several sizes into a :class:`Canvas`.

    Args:
        batch: ``inputs`` uint8 [3, H, W] and ``data_samples`` of each.

    Example:
        >>> import torch
        >>> sample = dict(inputs=torch.zeros(3, 4, 4), data_samples=None)
        >>> canvas_collate([sample, sample])['inputs'].pixels.shape
        torch.Size([2, 3, 4, 4])
    """
    return {
        'inputs': Canvas.of([each['inputs'] for each in batch]),
        'data_samples': [each['data_samples'] for each in batch],
    }
