"""Images that a classifier has named."""

from __future__ import annotations

from collections import Counter
from functools import partial

import numpy as np

from mmcvgssl.reports.confusion import confusion
from mmcvgssl.reports.figures import DEFECT, GOOD, UNKNOWN
from mmcvgssl.reports.pictures import Pictures
from mmcvgssl.reports.predicted import Predicted
from mmcvgssl.reports.scores import draw_into
from mmcvgssl.reports.section import Card, Gallery, Plot, Section, Table
from mmcvgssl.reports.thresholds import histogram
from mmcvgssl.utils import printable

_SIDE = 200  # pixels


def section_of_classes(found: Predicted, pictures: Pictures) -> Section:
    """Return classes of images, with a confusion matrix if truth is known."""
    section = Section(f'Classes: {found.result.name}')
    if not found.rows:
        section.notes.append('No image could be read.')
        return section
    pairs = zip(found.truth, found.rows, strict=True)
    known = [(t.name, row['label']) for t, row in pairs if t is not None]
    if known:
        section.parts += confusion(
            [name for name, _ in known],
            [label for _, label in known],
            found.classes,
        )
        if len(known) < len(found.rows):
            section.notes.append(
                f'The truth of {len(found.rows) - len(known)} of '
                f'{len(found.rows)} images is not known; they are not '
                'counted.'
            )
    else:
        counts = Counter(row['label'] for row in found.rows)
        section.parts.append(
            Table(
                ['class', 'images'],
                [[printable(name), n] for name, n in counts.most_common()],
            )
        )
        section.notes.append(
            'The true classes are not known: give --truth for a confusion '
            'matrix and for errors.'
        )
    section.parts += [_histogram(found), _gallery(found, pictures)]
    return section


def _right(found: Predicted) -> np.ndarray:
    """Return 1 of right, 0 of wrong classes, -1 of what is not known [n]."""
    return np.array(
        [
            -1 if true is None else int(true.name == row['label'])
            for row, true in zip(found.rows, found.truth, strict=True)
        ],
        int,
    )


def _histogram(found: Predicted) -> Plot:
    sure = np.array([row['probability'] for row in found.rows], float)
    right = _right(found)
    parts = {
        'right': (sure[right == 1], GOOD),
        'wrong': (sure[right == 0], DEFECT),
        'truth not known': (sure[right < 0], UNKNOWN),
    }
    shown = histogram(parts, 'probability of the predicted class', 'images')
    return Plot({'': shown}, height=300)


def _gallery(found: Predicted, pictures: Pictures) -> Gallery:
    sure = np.array([row['probability'] for row in found.rows], float)
    right = _right(found)
    # wrong ones that the model is sure of, then what it is unsure of
    order = sorted(
        range(len(sure)),
        key=lambda i: (right[i] != 0, -sure[i] if right[i] == 0 else sure[i]),
    )
    cards = []
    for i in order[: pictures.most]:
        row, true = found.rows[i], found.truth[i]
        card = Card(
            printable(found.name_of(row['path'])),
            lines=[f'{printable(row["label"])} {row["probability"]:.3f}'],
        )
        if true is not None:
            card.lines = [*card.lines, f'truth: {printable(true.name)}']
            card.badge = 'right' if right[i] else 'wrong'
        draw_into(
            card,
            pictures,
            partial(found.source.read, row['path'], _SIDE),
        )
        cards.append(card)
    by = 'the least certain first'
    if (right >= 0).any():
        by = 'errors first, those with the highest probability, then ' + by
    return Gallery(cards, f'{len(cards)} of {len(order)} images, {by}')
