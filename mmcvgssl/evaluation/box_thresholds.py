"""Score thresholds of a detector's boxes, by class, from held-out labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmcvgssl.evaluation.box_recall import check_ious, match_boxes

# labels that a class needs for a threshold of its own, and boxes above it
# that a precision is believed of
LEAST_LABELS, LEAST_BOXES = 10, 5
# of the F score: precision counts twice as much as recall, since a wrong box
# teaches a defect that is none
BETA = 0.5
OWN, POOLED, GIVEN = 'own', 'all classes', 'given'


@dataclass(frozen=True)
class BoxThreshold:
    """From which score on boxes of a class are believed.

    Args:
        score: The threshold; None: no box of the class is believed.
        source: ``'own'``, ``'all classes'`` where the class has too few
            held-out labels, or ``'given'``.
        precision: Share of the held-out boxes from there on that fit a
            label; None if unknown.
        recall: Share of the held-out labels that they fit; None if unknown.
        labels: Number of held-out labels.
    """

    score: float | None
    source: str = GIVEN
    precision: float | None = None
    recall: float | None = None
    labels: int = 0


class BoxThresholds:
    """Chooses thresholds by boxes of detectors on labels they did not see.

    Args:
        classes: Names of the classes.
        iou: Overlap from which a box fits a label of its class, in (0, 1].

    Raises:
        ValueError: If the overlap is out of range.

    Example:
        >>> chooser = BoxThresholds(['scratch'])
        >>> box = np.array([[0.0, 0.0, 4.0, 4.0]])
        >>> for score in np.linspace(0.5, 0.9, 10):
        ...     chooser.add(box, np.array([score]), [0], box, [0])
        >>> chooser.choose()[0].score
        0.5
    """

    def __init__(self, classes: Sequence[str], iou: float = 0.5) -> None:
        check_ious([iou])
        self.classes, self.iou = tuple(classes), iou
        self._scores: list[list[float]] = [[] for _ in self.classes]
        self._hits: list[list[bool]] = [[] for _ in self.classes]
        self.labels = np.zeros(len(self.classes), dtype=np.int64)

    def add(
        self,
        boxes: np.ndarray,
        scores: np.ndarray,
        labels: Sequence[int] | np.ndarray,
        truth: np.ndarray,
        true_labels: Sequence[int] | np.ndarray,
    ) -> None:
        """Count one image.

        Args:
            boxes: (x1, y1, x2, y2), [n, 4].
            scores: [n].
            labels: Their class indices, [n].
            truth: True boxes in the same form, [m, 4].
            true_labels: Their class indices, [m].
        """
        found, true = np.asarray(labels), np.asarray(true_labels)
        for index in range(len(self.classes)):
            mine, real = found == index, truth[true == index]
            matched = match_boxes(boxes[mine], scores[mine], real, self.iou)
            self._scores[index] += scores[mine].tolist()
            self._hits[index] += (matched >= 0).tolist()
            self.labels[index] += len(real)

    def choose(self, precision: float | None = None) -> list[BoxThreshold]:
        """Return a threshold for each class.

        It is the one with the largest F0.5 score of the held-out boxes, or
        the lowest from which on a share ``precision`` of them fits a label,
        and has five held-out boxes or more above it. A class with fewer than
        ten held-out labels, or five boxes, takes the threshold that all
        classes together have.

        Args:
            precision: In (0, 1]; None: by the F0.5 score.

        Raises:
            ValueError: If it is out of range.
        """
        if precision is not None and not 0 < precision <= 1:
            raise ValueError(
                f'a precision is a share in (0, 1], got {precision}'
            )
        everyone = self._cut(
            [s for own in self._scores for s in own],
            [h for own in self._hits for h in own],
            int(self.labels.sum()),
            precision,
        )
        chosen = []
        for index, labels in enumerate(self.labels.tolist()):
            scores, hits = self._scores[index], self._hits[index]
            own = labels >= LEAST_LABELS and len(scores) >= LEAST_BOXES
            cut = (
                self._cut(scores, hits, labels, precision) if own else everyone
            )
            source = OWN if own else POOLED
            if cut is None:
                chosen.append(BoxThreshold(None, source, labels=labels))
                continue
            score, share, recall = cut
            chosen.append(BoxThreshold(score, source, share, recall, labels))
        return chosen

    @staticmethod
    def _cut(
        scores: Sequence[float],
        hits: Sequence[bool],
        labels: int,
        precision: float | None,
    ) -> tuple[float, float, float] | None:
        """Return score, precision and recall; None if there is none."""
        if not labels or not any(hits):
            return None
        order = np.argsort(-np.asarray(scores), kind='stable')
        ranked = np.asarray(scores)[order]
        found = np.cumsum(np.asarray(hits)[order])
        count = np.arange(1, len(ranked) + 1)
        shares, recalls = found / count, found / labels
        # boxes of one score stay together
        usable = np.append(ranked[1:] != ranked[:-1], True)
        usable &= count >= LEAST_BOXES
        if precision is None:
            worth = (1 + BETA**2) * found / (BETA**2 * labels + count)
            worth[~usable | (found == 0)] = -1
            best = int(worth.argmax())
            usable &= found > 0
        else:
            usable &= shares >= precision
            best = int(np.flatnonzero(usable)[-1]) if usable.any() else -1
        if not usable.any():
            return None
        return float(ranked[best]), float(shares[best]), float(recalls[best])
