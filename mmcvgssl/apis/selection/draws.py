"""Which images of a training list get a label."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mmcvgssl.datasets.draws import draw_shots
from mmcvgssl.evaluation.few_shot.learners import class_probabilities
from mmcvgssl.selection import select, uncertainty
from mmcvgssl.selection.methods import METHODS, UNCERTAINTY, compact

EQUAL, ROUNDS = 'equal', 'rounds'
DRAWS = (EQUAL, *(name for name in METHODS if name != UNCERTAINTY), ROUNDS)
# shares of the labels after which a round ends; each chooses by what the
# labels before it leave uncertain
_PARTS = (0.25, 0.5, 1)


def draw_labelled(
    draw: str,
    shots: int,
    seed: int,
    labels: np.ndarray,
    features: Callable[[], np.ndarray],
    names: Sequence[str] | None = None,
) -> np.ndarray:
    """Draw or choose the images that get a label.

    Args:
        draw: ``'equal'``: as many of each class, which needs to know the
            classes before; a method of :func:`mmcvgssl.selection.select`;
            or ``'rounds'``: ``'kmeans'`` for a quarter of the labels, then
            twice ``'uncertainty'``. The others have as many labels in all.
        shots: Images a class, on average where classes are not known before.
        seed: Seed of the draw.
        labels: Class index of each image [N].
        features: Gives the images' features [N, D].
        names: Class names, for messages.

    Returns:
        Indices [shots x classes].

    Raises:
        ValueError: If the draw is unknown, or images are too few.

    Example:
        >>> labels = np.array([0, 0, 1, 1])
        >>> rows = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]])
        >>> chosen = draw_labelled('kmeans', 1, 0, labels, lambda: rows)
        >>> sorted(chosen.tolist())
        [1, 3]
    """
    check_draw(draw, shots, labels, names)
    if draw == EQUAL:
        return draw_shots(labels, shots, seed, names)
    budget = shots * len(np.unique(labels))
    if draw == ROUNDS:
        return np.array(_in_rounds(features(), labels, budget, seed))
    return np.array(select(features(), budget, draw, seed))


def check_draw(
    draw: str,
    shots: int,
    labels: np.ndarray,
    names: Sequence[str] | None = None,
) -> None:
    """Complain of a draw that cannot be made.

    Raises:
        ValueError: If it is unknown, or images are too few.
    """
    if draw not in DRAWS:
        raise ValueError(
            f'draw: expected one of {", ".join(DRAWS)}, got {draw!r}'
        )
    if draw == EQUAL:
        draw_shots(labels, shots, 0, names)
        return
    budget = shots * len(np.unique(labels))
    if not 1 <= budget <= len(labels):
        raise ValueError(
            f'shots: {shots} for each of {len(np.unique(labels))} classes are '
            f'{budget} labels; expected 1 to {len(labels)}, the number of '
            'training images'
        )


def next_round(
    features: np.ndarray,
    labels: np.ndarray,
    known: Sequence[int],
    budget: int,
    method: str,
    seed: int,
    weights: np.ndarray | None = None,
) -> list[int]:
    """Choose further images, given the labels of some.

    Args:
        features: [N, D] of all images.
        labels: Class indices [N], of which those of ``known`` are looked at.
        known: Indices of the labelled images.
        budget: Number of images to choose.
        method: Of :func:`mmcvgssl.selection.select`.
        seed: Seed of the choice.
        weights: Worth of each image by other means, above 0, [N].
    """
    rows = list(known)
    if method == UNCERTAINTY and len({*labels[rows].tolist()}) > 1:
        doubt = uncertainty(
            class_probabilities(features[rows], labels[rows], features)
        )
        weights = doubt if weights is None else doubt * weights
    return select(features, budget, method, seed, rows, weights)


def _in_rounds(
    features: np.ndarray, labels: np.ndarray, budget: int, seed: int
) -> list[int]:
    known: list[int] = []
    features = compact(features)  # the same probe, sooner
    for part in _PARTS:
        count = max(round(part * budget), 1) - len(known)
        method = UNCERTAINTY if known else 'kmeans'
        if count:
            known += next_round(features, labels, known, count, method, seed)
    return known
