"""Boxes around the anomalous regions of a map."""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
from torchvision.ops import nms

from mmcvgssl.maps.geometry import resize_map
from mmcvgssl.maps.thresholds import dataset_threshold, is_anomalous

__all__ = ['dataset_threshold', 'least_area', 'map_to_boxes', 'resize_map']


def least_area(size: tuple[int, int]) -> int:
    """Return the area in pixels below which a blob is dropped.

    Args:
        size: Height and width of the image, pixels.
    """
    height, width = size
    return max((height // 100) * (width // 100), 10)


def map_to_boxes(
    anomaly_map: np.ndarray,
    size: tuple[int, int],
    threshold: float,
    min_area: float | None = None,
    top_k: int = 10,
    nms_iou: float = 0.8,
) -> tuple[np.ndarray, np.ndarray]:
    """Box the blobs of the resized map that lie above the threshold.

    Source: AGSSP, https://arxiv.org/abs/2509.18919. A blob hangs together by
    sides or corners of pixels; one inside a hole of another is no blob of
    its own. Its area is that of OpenCV's outer contour, a polygon through
    the centres of the border pixels: (k - 1)² for k × k pixels, holes
    counted in, and 0 for a line one pixel wide. A box is a half-open range
    of pixels: a blob over the whole image gives (0, 0, width, height).

    Args:
        anomaly_map: [h, w], higher is more anomalous.
        size: Height and width of the image, pixels.
        threshold: The map threshold, in units of the map.
        min_area: Least area of a blob, square pixels; by default
            :func:`least_area`.
        top_k: Most boxes, the best by score.
        nms_iou: A box that overlaps a better one by more is dropped.

    Returns:
        Boxes (x1, y1, x2, y2) in pixels, float32 [n, 4], and the maxima of
        the resized map in them, float32 [n], in descending order.

    Raises:
        ValueError: If the map is not 2-D or not finite, or an option is out
            of range.

    Example:
        >>> anomaly_map = np.zeros((8, 8))
        >>> anomaly_map[2:4, 5:7] = 1.0
        >>> boxes, scores = map_to_boxes(anomaly_map, (64, 64), threshold=0.5)
        >>> boxes.tolist(), scores.tolist()
        ([[41.0, 14.0, 59.0, 32.0]], [1.0])
    """
    check_map(anomaly_map, size)
    if not math.isfinite(threshold):
        raise ValueError(f'expected a finite threshold, got {threshold}')
    check_options(min_area, top_k, nms_iou)
    heat = resize_map(anomaly_map, size)
    least = least_area(size) if min_area is None else min_area
    contours, _ = cv2.findContours(
        is_anomalous(heat, threshold).astype(np.uint8),
        cv2.RETR_EXTERNAL,
        cv2.CHAIN_APPROX_SIMPLE,
    )
    found = []
    for contour in contours:
        if cv2.contourArea(contour) < least:
            continue
        x, y, w, h = cv2.boundingRect(contour)
        score = float(heat[y : y + h, x : x + w].max())
        # of equal scores the larger box first, then from the top left
        found.append((-score, -w * h, y, x, y + h, x + w))
    best = sorted(found)[:top_k]
    boxes = torch.tensor(
        [(x1, y1, x2, y2) for _, _, y1, x1, y2, x2 in best],
        dtype=torch.float32,
    ).view(-1, 4)
    scores = torch.tensor([-row[0] for row in best], dtype=torch.float32)
    keep = nms(boxes, scores, nms_iou)
    return boxes[keep].numpy(), scores[keep].numpy()


def check_map(anomaly_map: np.ndarray, size: tuple[int, int]) -> None:
    """Check a map and the size of its image.

    Raises:
        ValueError: If the map is not 2-D or not finite, or the size is none.
    """
    if anomaly_map.ndim != 2 or anomaly_map.size == 0:
        raise ValueError(
            'expected a map [h, w] of at least one patch, got the shape '
            f'{list(anomaly_map.shape)}'
        )
    if not np.isfinite(anomaly_map).all():
        raise ValueError('expected a map of finite values, got NaN or inf')
    if len(size) != 2 or min(size) < 1:
        raise ValueError(
            f'expected the height and width of an image, got {size}'
        )


def check_options(min_area: float | None, top_k: int, nms_iou: float) -> None:
    """Check options of :func:`map_to_boxes` before work starts.

    Raises:
        ValueError: If one is out of range.
    """
    if min_area is not None and not 0 <= min_area < math.inf:
        raise ValueError(
            f'min_area is an area of 0 or more pixels, got {min_area}'
        )
    if top_k < 1:
        raise ValueError(f'top_k is a number of 1 or more, got {top_k}')
    if not 0 <= nms_iou <= 1:
        raise ValueError(f'nms_iou is a ratio in [0, 1], got {nms_iou}')
