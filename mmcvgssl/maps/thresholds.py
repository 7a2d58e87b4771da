"""Levels of maps: the map threshold, above which a pixel is anomalous.

It is a value of maps, and has nothing to do with the threshold on image
scores, see :func:`mmcvgssl.evaluation.operating_point.operating_point`.
Boxes are cut, pictures coloured and crops balanced by it; where it comes from
depends on what is known.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


def dataset_threshold(
    map_maxima: Iterable[float], margin: float = 0.1
) -> float:
    """Return the mean of the maps' maxima minus a margin.

    For a collection that has defects and of which nothing is known. Source:
    AGSSP, https://arxiv.org/abs/2509.18919.

    Args:
        map_maxima: One an image, in any order.
        margin: Value to subtract, in units of the maps.

    Raises:
        ValueError: If there is no map, or a value is not finite.

    Example:
        >>> dataset_threshold([0.5, 1.0, 1.5], margin=0.25)
        0.75
    """
    maxima = [float(value) for value in map_maxima]
    if not maxima:
        raise ValueError('a threshold needs the maximum of at least one map')
    if not all(map(math.isfinite, [*maxima, margin])):
        raise ValueError('expected finite maxima and margin, got NaN or inf')
    # an exact sum, so that the order does not matter
    return math.fsum(maxima) / len(maxima) - margin


def good_map_threshold(map_maxima: Tensor) -> Tensor:
    """Return the 95 % quantile of the maxima of good images' maps.

    Args:
        map_maxima: Maxima of the maps of good images, [n].

    Example:
        >>> import torch
        >>> good_map_threshold(torch.arange(101.0))
        tensor(95.)
    """
    return map_maxima.quantile(0.95)


def halfway(anomaly_map: np.ndarray) -> float:
    """Return the mean of a map's smallest and largest value.

    Example:
        >>> halfway(np.array([[1.0, 2.0, 5.0]]))
        3.0
    """
    return (float(anomaly_map.min()) + float(anomaly_map.max())) / 2


def is_anomalous(anomaly_map: np.ndarray, map_threshold: float) -> np.ndarray:
    """Mark the pixels whose value is greater than the threshold.

    Args:
        anomaly_map: [h, w].
        map_threshold: Map threshold, in units of the map.

    Returns:
        Booleans [h, w].

    Example:
        >>> is_anomalous(np.array([[0.2, 0.5, 0.9]]), 0.5)
        array([[False, False,  True]])
    """
    return anomaly_map > map_threshold
