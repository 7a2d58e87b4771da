"""Heatmaps of anomaly maps over their images."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from mmcvgssl.maps.geometry import resize_map
from mmcvgssl.maps.thresholds import halfway


def lay_map(
    image: np.ndarray,
    anomaly_map: np.ndarray,
    map_threshold: float,
    highest: float,
) -> np.ndarray:
    """Draw a map as a heatmap over its image.

    The middle of the colours is the map threshold, so what a box would hold
    is in their upper half.

    Args:
        image: BGR uint8 [H, W, 3].
        anomaly_map: [h, w]; resized to the image.
        map_threshold: Map threshold, in units of the map.
        highest: The value of the brightest colour, in units of the map; the
            darkest is as far below the threshold.

    Returns:
        BGR uint8 [H, W, 3].

    Example:
        >>> image = np.zeros((8, 8, 3), np.uint8)
        >>> overlay = lay_map(image, np.array([[0.0, 1.0]]), 0.5, highest=1.0)
        >>> overlay.shape, overlay.dtype
        ((8, 8, 3), dtype('uint8'))
    """
    span = max(highest - map_threshold, 1e-12)
    level = (resize_map(anomaly_map, image.shape[:2]) - map_threshold) / span
    grey = np.clip(128 + 127 * level, 0, 255).astype(np.uint8)
    heat = cv2.applyColorMap(grey, _colours())
    return cv2.addWeighted(image, 0.6, heat, 0.4, 0)


def draw_heatmap(
    picture: np.ndarray,
    size: tuple[int, int] | None = None,
    *,
    anomaly_map: np.ndarray,
    map_threshold: float | None,
) -> np.ndarray:
    """Lay a heatmap over an image.

    Args:
        picture: BGR uint8 [h, w, 3].
        size: Size of the image's file; the map covers it, as it does the
            picture.
        anomaly_map: [h, w]; resized to the picture.
        map_threshold: Map threshold, the middle of the colours; None: the
            colours span the map's own values.

    Returns:
        BGR uint8 [h, w, 3].
    """
    if map_threshold is None:
        middle, highest = halfway(anomaly_map), float(anomaly_map.max())
        return lay_map(picture, anomaly_map, middle, highest)
    return lay_map(picture, anomaly_map, map_threshold, 2 * map_threshold)


@cache
def _colours() -> np.ndarray:
    """Return the colour of each level, BGR uint8 [256, 1, 3].

    OpenCV interpolates its table anew in each call, which takes longer than
    to colour a small picture.
    """
    levels = np.arange(256, dtype=np.uint8)[:, None]
    return cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)
