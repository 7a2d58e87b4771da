"""Recall and precision of boxes without a class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torchvision.ops import box_iou


def check_ious(ious: Sequence[float]) -> None:
    """Check the thresholds of the overlap.

    Raises:
        ValueError: If there is none, or one is out of (0, 1].
    """
    if not ious or not all(0 < iou <= 1 for iou in ious):
        raise ValueError(
            f'overlaps to measure at are ratios in (0, 1], got {list(ious)}'
        )


def match_boxes(
    boxes: np.ndarray, scores: np.ndarray, truth: np.ndarray, iou: float
) -> np.ndarray:
    """Match boxes to true ones, greedily by score and one to one.

    From the best score down, each box takes the true box it overlaps most
    among those still free, if the overlap is at least ``iou``; of equal
    scores or overlaps the first comes first. This is how COCO matches,
    with no regard to classes.

    Args:
        boxes: (x1, y1, x2, y2), [n, 4].
        scores: [n].
        truth: True boxes in the same form, [m, 4].
        iou: Least intersection over union, in (0, 1].

    Returns:
        Index of the true box or -1 for each box, int64 [n].

    Raises:
        ValueError: If shapes or ``iou`` are out of range.

    Example:
        >>> boxes = np.array([[0, 0, 4, 4], [8, 8, 9, 9]])
        >>> match_boxes(boxes, np.array([0.9, 0.8]), boxes[:1], 0.5)
        array([ 0, -1])
    """
    check_ious([iou])
    if boxes.shape != (len(scores), 4) or truth.shape[1:] != (4,):
        raise ValueError(
            'expected boxes [n, 4], scores [n] and true boxes [m, 4], got '
            f'{list(boxes.shape)}, {list(scores.shape)} and '
            f'{list(truth.shape)}'
        )
    matched = np.full(len(boxes), -1, dtype=np.int64)
    if not len(boxes) or not len(truth):
        return matched
    # in double precision, so that an overlap of just `iou` counts
    overlaps = box_iou(
        torch.from_numpy(boxes.astype(np.float64)),
        torch.from_numpy(truth.astype(np.float64)),
    ).numpy()
    np.nan_to_num(
        overlaps, copy=False
    )  # the overlap of two empty boxes is 0 / 0
    for i in np.argsort(-scores, kind='stable'):
        best = int(overlaps[i].argmax())
        if overlaps[i, best] >= iou:
            matched[i] = best
            overlaps[:, best] = -1
    return matched


class BoxRecall:
    """Recall and precision of boxes, counted over images.

    Args:
        classes: Names of the classes of the true boxes.
        ious: Overlaps from which a true box counts as found.

    Raises:
        ValueError: If there is no overlap to measure at.

    Example:
        >>> recall = BoxRecall(['scratch'], ious=[0.5])
        >>> boxes = np.array([[0.0, 0.0, 4.0, 4.0]])
        >>> recall.add(boxes, np.array([0.9]), boxes, np.array([0]))
        >>> recall.result()['iou']['0.5']['recall']
        1.0
    """

    def __init__(
        self, classes: Sequence[str], ious: Sequence[float] = (0.5, 0.3)
    ) -> None:
        check_ious(ious)
        self.classes, self.ious = tuple(classes), tuple(ious)
        self.n_images = self.n_boxes = 0
        self.n_true = np.zeros(len(self.classes), dtype=np.int64)
        self.n_found = np.zeros(
            (len(self.ious), len(self.classes)), dtype=np.int64
        )

    def add(
        self,
        boxes: np.ndarray,
        scores: np.ndarray,
        truth: np.ndarray,
        labels: np.ndarray,
    ) -> None:
        """Count one image.

        Args:
            boxes: (x1, y1, x2, y2), [n, 4].
            scores: [n].
            truth: True boxes in the same form, [m, 4].
            labels: Their indices in ``classes``, [m].
        """
        n = len(self.classes)
        self.n_images += 1
        self.n_boxes += len(boxes)
        self.n_true += np.bincount(labels, minlength=n)
        for row, iou in zip(self.n_found, self.ious, strict=True):
            matched = match_boxes(boxes, scores, truth, iou)
            row += np.bincount(labels[matched[matched >= 0]], minlength=n)

    def result(self) -> dict[str, Any]:
        """Return counts and, by overlap, recall and precision in [0, 1].

        A ratio of nothing is None. Boxes have no class, so precision is of
        all of them; recall is of all true boxes and of each class.
        """
        true = int(self.n_true.sum())
        at = {}
        for row, iou in zip(self.n_found, self.ious, strict=True):
            found = int(row.sum())
            at[f'{iou:g}'] = {
                'found': found,
                'recall': _ratio(found, true),
                'precision': _ratio(found, self.n_boxes),
                'classes': {
                    name: {
                        'true': int(of),
                        'found': int(part),
                        'recall': _ratio(int(part), int(of)),
                    }
                    for name, part, of in zip(
                        self.classes, row, self.n_true, strict=True
                    )
                },
            }
        return {
            'images': self.n_images,
            'boxes': self.n_boxes,
            'true': true,
            'iou': at,
        }


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
