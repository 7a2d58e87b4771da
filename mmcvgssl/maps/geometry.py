"""The geometry of anomaly maps: patches and pixels of the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    Map = TypeVar('Map', np.ndarray, Tensor)


def resize_map(anomaly_map: Map, size: Sequence[int]) -> Map:
    """Resize a map bilinearly, with corner patches on the image's corners.

    Source: AGSSP, https://arxiv.org/abs/2509.18919. The map of h x w patches
    covers the image from corner pixel to corner pixel. It is the one
    geometry of maps: metrics, boxes, pictures, ensembles and the maps that
    training loads have it from here.

    Args:
        anomaly_map: [..., h, w] of floating-point numbers.
        size: Height and width of the result, in pixels.

    Returns:
        float32 [..., height, width], of the kind that was given, a copy.

    Raises:
        ValueError: If it is no map, or the size has no pixel.

    Example:
        >>> resize_map(np.array([[0.0, 1.0]]), (1, 3))
        array([[0. , 0.5, 1. ]], dtype=float32)
    """
    height, width = (int(side) for side in size)
    if anomaly_map.ndim < 2 or 0 in anomaly_map.shape[-2:]:
        raise ValueError(
            'expected a map [h, w] of at least one patch, got the shape '
            f'{list(anomaly_map.shape)}; pass one map or a batch of them'
        )
    if min(height, width) < 1:
        raise ValueError(
            'expected the height and width of an image in pixels, got '
            f'{height} and {width}; pass its size'
        )
    if isinstance(anomaly_map, np.ndarray):
        values = np.array(anomaly_map, dtype=np.float32, order='C')
        return _resize_array(values, (height, width))
    return _resize_tensor(anomaly_map.float(), (height, width))


def map_to_cells(anomaly_map: Tensor, grid: Sequence[int]) -> Tensor:
    """Sample a map of an image's size at the cells of a feature map.

    This is another quantity than :func:`resize_map`: there few patches are
    spread over many pixels, here many pixels are read at few cells. A cell
    of a convolutional network stands for an area, and the middle of cell i
    of n lies at (i + 0.5) / n of the side, so pixels and cells correspond by
    their middles. No filter is needed: a map was upsampled from patches, and
    hardly changes within a cell.

    Args:
        anomaly_map: [B, 1, H, W].
        grid: Height and width of the level.

    Returns:
        [B, 1, h, w], bilinearly interpolated.

    Example:
        >>> import torch
        >>> anomaly_map = torch.arange(16.0).view(1, 1, 4, 4)
        >>> map_to_cells(anomaly_map, (2, 2))[0, 0]
        tensor([[ 2.5000,  4.5000],
                [10.5000, 12.5000]])
    """
    import torch.nn.functional as F

    return F.interpolate(
        anomaly_map,
        (int(grid[0]), int(grid[1])),
        mode='bilinear',
        align_corners=False,
    )


def value_positions(count: int, first: float, side: float) -> np.ndarray:
    """Return where the values of a map's row lie, as :func:`resize_map` does.

    Args:
        count: Number of values.
        first: Pixel of the image at which the map begins.
        side: Pixels that the map covers.

    Returns:
        float64 [count], in pixels: the first value on the first pixel, the
        last on the last; a single one in the middle.

    Example:
        >>> value_positions(3, first=10, side=9).tolist()
        [10.0, 14.0, 18.0]
    """
    if count == 1:
        return np.array([first + (side - 1) / 2], np.float64)
    return first + np.linspace(0, side - 1, count)


def _resize_array(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Do in NumPy what :func:`_resize_tensor` has PyTorch do."""
    if values.shape[-2:] == size:
        return values
    for axis in (-1, -2):
        count, side = values.shape[axis], size[axis]
        step = np.float32((count - 1) / (side - 1) if side > 1 else 0)
        at = step * np.arange(side, dtype=np.float32)
        first = np.minimum(at.astype(np.int64), count - 1)
        second = np.minimum(first + 1, count - 1)
        share = np.clip(at - first.astype(np.float32), 0, 1)
        if axis == -2:
            share = share[:, None]
        low, high = values.take(first, axis), values.take(second, axis)
        low *= 1 - share
        high *= share
        low += high
        values = low
    return values


def _resize_tensor(values: Tensor, size: tuple[int, int]) -> Tensor:
    import torch.nn.functional as F

    if tuple(values.shape[-2:]) == size:
        return values.clone()
    flat = values.reshape(-1, 1, *values.shape[-2:])
    resized = F.interpolate(flat, size, mode='bilinear', align_corners=True)
    return resized.reshape(*values.shape[:-2], *size)
