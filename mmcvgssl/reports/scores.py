"""Anomaly scores: a histogram, a threshold that moves, and a gallery."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from mmcvgssl.datasets.reading import UnreadableImageError
from mmcvgssl.evaluation.anomaly import binary_metrics
from mmcvgssl.predictions import calls_defective
from mmcvgssl.reports.figures import DEFECT, GOOD, UNKNOWN
from mmcvgssl.reports.pictures import Pictures, Source
from mmcvgssl.reports.section import Card, Gallery, Group, Section, Slider
from mmcvgssl.reports.thresholds import (
    count_above,
    groups_above,
    histogram,
    positions,
    start_of,
)
from mmcvgssl.reports.truth import TrueImage
from mmcvgssl.utils import printable


@dataclass
class Scored:
    """Images with anomaly scores.

    Args:
        name: Name of the result.
        source: Where the images lie.
        paths: Their paths, for ``source``.
        names: Paths that are shown.
        scores: [n].
        truth: What is true of each, None where it is not known.
        threshold: That of the model.
        draw: Returns the picture of the image of an index, BGR uint8
            [h, w, 3]; raises UnreadableImageError or OSError.
        notes: What else is said.
    """

    name: str
    source: Source
    paths: Sequence[str]
    names: Sequence[str]
    scores: np.ndarray
    truth: Sequence[TrueImage | None]
    threshold: float | None
    draw: Callable[[int], np.ndarray]
    notes: Sequence[str] = ()

    @property
    def labels(self) -> np.ndarray:
        """1 of defective images, 0 of good ones, -1 of others [n]."""
        known = [t.defective if t else None for t in self.truth]
        return np.array([-1 if d is None else int(d) for d in known], int)


def section_of_scores(scored: Scored, pictures: Pictures) -> Section:
    """Return scores of images, sorted, with what the truth says of them."""
    section = Section(f'Anomaly scores: {scored.name}', notes=[*scored.notes])
    if not len(scored.scores):
        section.notes.append('No image could be read.')
        return section
    section.parts = [_slider(scored), gallery(scored, pictures)]
    labels = scored.labels
    known = labels >= 0
    if not known.any():
        section.notes.append(
            'Which images are defective is not known: give --truth for '
            'detected images, false alarms and misses.'
        )
    elif not known.all():
        section.notes.append(
            f'The truth of {int((~known).sum())} of {len(known)} images is '
            'not known; they are not counted.'
        )
    if {0, 1} <= {*labels.tolist()}:
        found = binary_metrics(scored.scores[known], labels[known])
        section.notes.append(
            f'AUROC {found["auroc"]:.4f}, AP {found["ap"]:.4f}, F1-max '
            f'{found["f1_max"]:.4f}, of {int(known.sum())} images.'
        )
    return section


def _slider(scored: Scored) -> Slider:
    scores, labels = scored.scores, scored.labels
    at = positions(scores, scored.threshold)
    parts = {
        'good': (scores[labels == 0], GOOD),
        'defective': (scores[labels == 1], DEFECT),
        'truth not known': (scores[labels < 0], UNKNOWN),
    }
    slider = Slider(
        at,
        start_of(at, scored.threshold),
        scored.threshold,
        histogram(parts, 'anomaly score', 'images'),
    )
    good, defective, unknown = (own for own, _ in parts.values())
    if len(defective):
        slider.detected = Group('', len(defective), count_above(defective, at))
        kinds = np.array([t.name if t else '' for t in scored.truth])
        slider.groups = groups_above(
            {
                printable(str(name)): scores[(kinds == name) & (labels == 1)]
                for name in np.unique(kinds[labels == 1])
            },
            at,
        )
    if len(good):
        slider.false_alarms = Group('', len(good), count_above(good, at))
    if len(unknown):
        slider.unknown = Group('', len(unknown), count_above(unknown, at))
    return slider


def gallery(scored: Scored, pictures: Pictures) -> Gallery:
    """Return pictures, the worst misses and false alarms first."""
    order = worst_first(scored.scores, scored.labels, scored.threshold)
    cards = []
    for i in order[: pictures.most]:
        true = scored.truth[i]
        score = float(scored.scores[i])
        card = Card(
            printable(scored.names[i]),
            lines=[f'score {score:.4g}'],
            score=score,
            defective=None if true is None else true.defective,
        )
        if true is not None:
            card.lines = [*card.lines, f'truth: {printable(true.name)}']
        draw_into(card, pictures, partial(scored.draw, i))
        cards.append(card)
    known = (scored.labels >= 0).any()
    by = 'the highest score first'
    if known:
        by = 'the worst misses and false alarms first, then by score'
    return Gallery(
        cards, f'{len(cards)} of {len(order)} images, {by}', slider=0
    )


def draw_into(
    card: Card, pictures: Pictures, draw: Callable[[], np.ndarray]
) -> None:
    """Draw the picture of a card, or say why there is none."""
    if pictures.full:
        card.problem = 'not shown: the pictures of this page are too many'
        return
    try:
        card.picture = pictures.add(draw())
    except (UnreadableImageError, OSError, ValueError) as error:
        card.problem = str(error)
        pictures.problems.append(card.problem)
        return
    if not card.picture:
        card.problem = 'not shown: the pictures of this page are too many'


def worst_first(
    scores: np.ndarray, labels: np.ndarray, threshold: float | None
) -> list[int]:
    """Order images: misses and false alarms in turn, then by score.

    Without a threshold, the one that the most images would be right at, with
    as many misses as false alarms, stands in for it.

    Args:
        scores: [n].
        labels: 1 of defective images, 0 of good ones, -1 of others [n].
        threshold: Threshold of the model.
    """
    by_score = np.argsort(-scores, kind='stable')
    if threshold is None:
        known = scores[labels >= 0]
        share = (labels == 1).sum() / max(len(known), 1)
        threshold = (
            float(np.quantile(known, 1 - share)) if len(known) else np.inf
        )
    above = calls_defective(scores, threshold)
    alarms = [i for i in by_score if labels[i] == 0 and above[i]]
    misses = [i for i in by_score[::-1] if labels[i] == 1 and not above[i]]
    worst = []
    for rank in range(max(len(alarms), len(misses))):
        worst += [part[rank] for part in (misses, alarms) if rank < len(part)]
    wrong = {*worst}
    return [int(i) for i in (*worst, *(i for i in by_score if i not in wrong))]
