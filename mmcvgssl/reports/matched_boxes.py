"""Boxes of a detector, compared with true ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmcvgssl.evaluation.box_recall import match_boxes
from mmcvgssl.reports.predicted import Predicted
from mmcvgssl.reports.truth import TrueImage

IOU = 0.5  # overlap from which a true box counts as found
_SHOWN = 0.3  # score from which on boxes of most detectors are of use


@dataclass
class Matched:
    """Boxes of an image, compared with true ones of their class.

    Args:
        right: Whether a box fits a true one [n].
        found: For each true box the index of its box, or -1 [m].
    """

    right: np.ndarray
    found: np.ndarray


def arrays_of(
    row: Mapping[str, Any],
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return boxes [n, 4], scores [n] and labels of an image."""
    boxes = np.array([b['box'] for b in row['boxes']], float).reshape(-1, 4)
    scores = np.array([b['score'] for b in row['boxes']], float)
    return boxes, scores, [b['label'] for b in row['boxes']]


def match(row: Mapping[str, Any], true: TrueImage) -> Matched:
    """Compare the boxes of an image with true ones of their class."""
    boxes, scores, labels = arrays_of(row)
    made = Matched(
        np.zeros(len(boxes), bool), np.full(len(true.boxes), -1, int)
    )
    for name in {*labels} & {*true.labels}:
        own = np.flatnonzero([label == name for label in labels])
        of = np.flatnonzero([label == name for label in true.labels])
        at = match_boxes(boxes[own], scores[own], true.boxes[of], IOU)
        made.right[own] = at >= 0
        made.found[of[at[at >= 0]]] = own[at >= 0]
    return made


def least_shown(found: Predicted) -> float:
    """Return the score from which on boxes are drawn and counted.

    It is that of the model file, but no score below 0.3 where there are
    higher ones: a file may keep all boxes for a curve over scores.
    """
    own = float(found.head.get('score_threshold') or 0)
    best = max(map(best_score, found.rows), default=0.0)
    return max(own, _SHOWN) if best >= _SHOWN else own


def best_score(row: Mapping[str, Any]) -> float:
    """Return the highest score of an image's boxes, 0 without one."""
    return max((box['score'] for box in row['boxes']), default=0.0)
