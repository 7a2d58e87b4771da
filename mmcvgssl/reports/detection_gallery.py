"""Pictures of detected boxes beside true ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from mmcvgssl.apis.prediction.boxes import draw_boxes
from mmcvgssl.apis.prediction.captions import class_colour
from mmcvgssl.apis.prediction.classes import shown_name
from mmcvgssl.reports.matched_boxes import (
    Matched,
    arrays_of,
    best_score,
    least_shown,
)
from mmcvgssl.reports.pictures import Pictures
from mmcvgssl.reports.predicted import Predicted
from mmcvgssl.reports.scores import draw_into
from mmcvgssl.reports.section import Card, Gallery
from mmcvgssl.utils import printable
from mmcvgssl.visualization.side_by_side import side_by_side

SIDE = 260  # pixels of a picture, of which two stand side by side


def gallery_of_boxes(
    found: Predicted, matched: Mapping[int, Matched], pictures: Pictures
) -> Gallery:
    """Return boxes beside true ones, the images with most errors first.

    Args:
        found: Predictions of a detector.
        matched: Boxes compared with the truth, by index of the image.
        pictures: Pictures of the page.
    """
    cards, least = [], least_shown(found)
    counts = {
        i: _errors(found.rows[i], own, least) for i, own in matched.items()
    }
    order = sorted(
        range(len(found.rows)),
        key=lambda i: (
            -sum(counts.get(i, (0, 0))),
            -best_score(found.rows[i]),
        ),
    )
    for i in order[: pictures.most]:
        row = found.rows[i]
        shown = sum(box['score'] >= least for box in row['boxes'])
        card = Card(
            printable(found.name_of(row['path'])), lines=[counted(shown)]
        )
        if i in counts:
            missed, false = counts[i]
            card.lines = [f'{missed} missed, {false} false, {counted(shown)}']
            card.badge = 'wrong' if missed + false else 'right'
        draw_into(card, pictures, partial(_draw, found, i, least))
        cards.append(card)
    said = f'{len(cards)} of {len(order)} images, boxes of {least:.2g} or more'
    if matched:
        said += '; truth on the left; the most errors first'
    else:
        said += '; the highest score first'
    return Gallery(cards, said)


def _errors(
    row: Mapping[str, Any], own: Matched, least: float
) -> tuple[int, int]:
    """Count true boxes that are missed, and false boxes."""
    _, scores, _ = arrays_of(row)
    shown = scores >= least
    found = sum(bool(k >= 0 and shown[k]) for k in own.found)
    return len(own.found) - found, int((shown & ~own.right).sum())


def _draw(found: Predicted, index: int, least: float) -> np.ndarray:
    row, true = found.rows[index], found.truth[index]
    image = found.source.read(row['path'], SIDE)
    size, classes = tuple(row['size']), found.classes
    frames = [
        _frame(box['box'], box['label'], classes, box['score'])
        for box in reversed(row['boxes'])
        if box['score'] >= least
    ]
    panels = [draw_boxes(image, size, frames=frames)]
    if true is not None and true.has_boxes:
        truth = [
            _frame(box, name, classes)
            for box, name in zip(true.boxes.tolist(), true.labels, strict=True)
        ]
        panels.insert(0, draw_boxes(image, size, frames=truth))
    return side_by_side(panels)


def _frame(
    box: Sequence[float],
    name: str,
    classes: Sequence[str],
    score: float | None = None,
) -> tuple:
    names = classes if name in classes else [*classes, name]
    index = list(names).index(name)
    text = shown_name(names, index)
    if score is not None:
        text = f'{text} {score:.2f}'
    return list(box), text, class_colour(index)


def counted(boxes: int) -> str:
    """Return a number of boxes in words."""
    return f'{boxes} box' if boxes == 1 else f'{boxes} boxes'
