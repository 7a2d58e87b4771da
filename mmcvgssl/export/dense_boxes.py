"""Boxes of a graph's raw outputs: what NMS leaves, in the image's pixels.

Needs neither torch nor a host.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mmcvgssl.export.placement import Placement
from mmcvgssl.maps.nms import nms


@dataclass(frozen=True)
class BoxRules:
    """How raw boxes become those of an image.

    Args:
        score_threshold: Scores that are not above it count for nothing.
        iou_threshold: Of two boxes of a class with a larger overlap (IoU),
            the one of the lower score goes; None: none goes.
        candidates: Boxes of the highest scores that pass on at most.
        most: Boxes that an image has at most.
        several: Whether a place can have boxes of several classes; else that
            of its highest score alone.
        flat: Whether boxes without width or height can be chosen.
    """

    score_threshold: float
    iou_threshold: float | None
    candidates: int
    most: int
    several: bool
    flat: bool = True

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
        boxes: x1, y1, x2, y2 in pixels of the input, [P, 4], or
            [P, C, 4] of each class.
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
    own = boxes[points] if boxes.ndim == 2 else boxes[points, labels]
    wanted = values >= least
    if not rules.flat:
        wanted &= (own[:, 2:] > own[:, :2]).all(1)
    own, labels, values = own[wanted], labels[wanted], values[wanted]
    order = np.argsort(-values, kind='stable')[: rules.candidates]
    labels, values = labels[order], values[order]
    found = placement.to_image(own[order])
    chosen: np.ndarray
    if rules.iou_threshold is None:
        chosen = np.arange(len(found))[: rules.most]
    else:
        chosen = nms(found, labels, rules.iou_threshold)[: rules.most]
    return {
        'boxes': placement.inside(found[chosen]),
        'scores': values[chosen],
        'labels': labels[chosen],
    }


def rules_from(values: Mapping[str, Any]) -> BoxRules:
    """Return rules that :meth:`BoxRules.as_dict` gave."""
    return BoxRules(**values)
