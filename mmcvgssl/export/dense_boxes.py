"""Boxes of a graph's raw outputs: what NMS leaves, in the image's pixels.

Needs neither torch nor a host.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mmcvgssl.export.placement import Placement


@dataclass(frozen=True)
class BoxRules:
    """How raw boxes become those of an image.

    Args:
        score_threshold: Scores that are not above it count for nothing.
        iou_threshold: Of two boxes of a class with a larger overlap (IoU),
            the one of the lower score goes.
        candidates: Boxes of the highest scores that pass on at most.
        most: Boxes that an image has at most.
        several: Whether a place can have boxes of several classes; else that
            of its highest score alone.
    """

    score_threshold: float
    iou_threshold: float
    candidates: int
    most: int
    several: bool

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, as JSON can hold them."""
        return asdict(self)


def find_boxes(
    boxes: np.ndarray,
    scores: np.ndarray,
    rules: BoxRules,
    placement: Placement,
    least: float = 0.0,
) -> dict[str, np.ndarray]:
    """Return the boxes of an image, the highest score first.

    Args:
        boxes: x1, y1, x2, y2 in pixels of the input, [P, 4].
        scores: Scores of the classes in [0, 1], [P, C].
        rules: How boxes are chosen.
        placement: Where the image lies in the input.
        least: Boxes of a lower score are not wanted. As no box makes one of
            a higher score go, they are left out at once.

    Returns:
        ``boxes`` [K, 4] in pixels of the image, ``scores`` [K], and
        ``labels`` [K], indices of classes.
    """
    if rules.several and scores.shape[1] > 1:
        points, labels = np.nonzero(scores > rules.score_threshold)
    else:
        labels = scores.argmax(1)
        points = np.flatnonzero(scores.max(1) > rules.score_threshold)
        labels = labels[points]
    values = scores[points, labels]
    wanted = values >= least
    points, labels, values = points[wanted], labels[wanted], values[wanted]
    order = np.argsort(-values, kind='stable')[: rules.candidates]
    points, labels, values = points[order], labels[order], values[order]
    found = placement.to_image(boxes[points])
    chosen = nms(found, labels, rules.iou_threshold)[: rules.most]
    return {
        'boxes': placement.inside(found[chosen]),
        'scores': values[chosen],
        'labels': labels[chosen],
    }


def nms(
    boxes: np.ndarray, labels: np.ndarray, iou_threshold: float
) -> np.ndarray:
    """Return the indices [K] of boxes that no better one of a class covers.

    Args:
        boxes: x1, y1, x2, y2, the highest score first, [n, 4].
        labels: Their classes [n].
        iou_threshold: Largest overlap (IoU) of two boxes that stay.
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


def rules_from(values: Mapping[str, Any]) -> BoxRules:
    """Return rules that :meth:`BoxRules.as_dict` gave."""
    return BoxRules(**values)
