"""Non-maximum suppression of boxes, without torch."""

from __future__ import annotations

import numpy as np


def nms(
    boxes: np.ndarray, labels: np.ndarray, iou_threshold: float
) -> np.ndarray:
    """Return the indices [K] of boxes that no better one of a class covers.

    Args:
        boxes: x1, y1, x2, y2, the highest score first, [n, 4].
        labels: Their classes [n].
        iou_threshold: Largest overlap (IoU) of two boxes that stay.

    Example:
        >>> boxes = np.array([[0, 0, 9, 9], [0, 0, 9, 8], [20, 0, 29, 9]])
        >>> nms(boxes, np.array([0, 0, 0]), 0.5).tolist()
        [0, 2]
    """
    # apart by class as the hosts move them, so that overlaps round alike
    apart = labels * np.float32(boxes.max(initial=0) + 1)
    boxes = boxes + apart.astype(np.float32)[:, None]
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    there = np.ones(len(boxes), bool)
    for i in range(len(boxes)):
        if not there[i]:
            continue
        rest = np.flatnonzero(there[i + 1 :] & (labels[i + 1 :] == labels[i]))
        rest += i + 1
        corner = np.maximum(boxes[i, :2], boxes[rest, :2])
        opposite = np.minimum(boxes[i, 2:], boxes[rest, 2:])
        shared = (opposite - corner).clip(min=0).prod(1)
        overlap = shared / (areas[i] + areas[rest] - shared)
        there[rest[overlap > np.float32(iou_threshold)]] = False
    return np.flatnonzero(there)
