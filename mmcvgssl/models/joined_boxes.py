"""Boxes of one image, from a host's boxes of its tiles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.structures import InstanceData
from torch import Tensor

from mmcvgssl.datasets.tiles import TileGrid
from mmcvgssl.maps.joined_boxes import join_tables

# how the hosts call what tables name
_KEYS = {'boxes': 'bboxes', 'scores': 'scores', 'labels': 'labels'}


def join_boxes(
    found: Sequence[InstanceData], grid: TileGrid, iou_threshold: float
) -> InstanceData:
    """Join the boxes of an image's tiles.

    Args:
        found: Boxes of each tile, in pixels of the tile, with ``bboxes`` [n,
            4], ``scores`` and ``labels`` [n].
        grid: Where the tiles lie.
        iou_threshold: See
            :func:`~mmcvgssl.maps.joined_boxes.join_tables`, which says how.

    Returns:
        Boxes in pixels of the image, the highest score first, on the CPU.

    Raises:
        ValueError: If there are not as many parts as tiles.

    Example:
        >>> grid = TileGrid.over((100, 180), tile=100, overlap=20)
        >>> left, right = (
        ...     InstanceData(
        ...         bboxes=torch.tensor([box]),
        ...         scores=torch.tensor([0.9]),
        ...         labels=torch.tensor([0]),
        ...     )
        ...     for box in ([60.0, 40, 100, 50], [0.0, 40, 70, 50])
        ... )
        >>> join_boxes([left, right], grid, 0.5).bboxes
        tensor([[ 60.,  40., 150.,  50.]])
    """
    tables = [
        {name: _array(part[key]) for name, key in _KEYS.items()}
        for part in found
    ]
    joined = join_tables(tables, grid, iou_threshold)
    return InstanceData(
        **{key: torch.from_numpy(joined[name]) for name, key in _KEYS.items()}
    )


def _array(values: Tensor) -> np.ndarray:
    """Return float32, or whole numbers as they are."""
    values = values.detach().cpu()
    return (values.float() if values.is_floating_point() else values).numpy()
