"""Boxes of a detector beside true ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from mmcvgssl.apis.prediction.boxes import draw_boxes
from mmcvgssl.apis.prediction.captions import class_colour
from mmcvgssl.apis.prediction.classes import shown_name
from mmcvgssl.evaluation.box_recall import match_boxes
from mmcvgssl.reports.confusion import confusion
from mmcvgssl.reports.figures import DEFECT, GOOD, UNKNOWN
from mmcvgssl.reports.pictures import Pictures
from mmcvgssl.reports.predicted import Predicted
from mmcvgssl.reports.scores import draw_into
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
from mmcvgssl.visualization.side_by_side import side_by_side

IOU = 0.5  # overlap from which a true box counts as found
NO_BOX = '(no box)'
SIDE = 260  # pixels of a picture, of which two stand side by side
_SHOWN = 0.3  # least score of boxes that are drawn and counted in pictures


@dataclass
class _Matched:
    """Boxes of an image, compared with true ones of their class.

    Args:
        right: Whether a box fits a true one [n].
        found: For each true box the index of its box, or -1 [m].
    """

    right: np.ndarray
    found: np.ndarray


def section_of_detections(found: Predicted, pictures: Pictures) -> Section:
    """Return boxes by score, and the images with the most errors."""
    section = Section(f'Boxes: {found.result.name}')
    if not found.rows:
        section.notes.append('No image could be read.')
        return section
    known = {i: t for i, t in enumerate(found.truth) if t and t.has_boxes}
    matched = {i: _match(found.rows[i], true) for i, true in known.items()}
    slider = _slider(found, known, matched)
    if slider is None:
        section.notes.append('There is no box, in no image.')
    else:
        section.parts.append(slider)
    if known:
        section.notes.append(
            f'A true box is found by one of its class that overlaps it by an '
            f'IoU of {IOU:g} or more.'
        )
        if len(known) < len(found.rows):
            section.notes.append(
                f'The truth of {len(found.rows) - len(known)} of '
                f'{len(found.rows)} images is not known; they are not '
                'counted.'
            )
        section.parts += _confusion(found, known)
    else:
        section.notes.append(
            'The true boxes are not known: give --truth COCO.json for those '
            'found, false alarms and errors.'
        )
    section.parts.append(_gallery(found, matched, pictures))
    return section


def _arrays(row: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray, list]:
    boxes = np.array([b['box'] for b in row['boxes']], float).reshape(-1, 4)
    scores = np.array([b['score'] for b in row['boxes']], float)
    return boxes, scores, [b['label'] for b in row['boxes']]


def _match(row: Mapping[str, Any], true: TrueImage) -> _Matched:
    boxes, scores, labels = _arrays(row)
    made = _Matched(
        np.zeros(len(boxes), bool), np.full(len(true.boxes), -1, int)
    )
    for name in {*labels} & {*true.labels}:
        own = np.flatnonzero([label == name for label in labels])
        of = np.flatnonzero([label == name for label in true.labels])
        at = match_boxes(boxes[own], scores[own], true.boxes[of], IOU)
        made.right[own] = at >= 0
        made.found[of[at[at >= 0]]] = own[at >= 0]
    return made


def _slider(
    found: Predicted,
    known: Mapping[int, TrueImage],
    matched: Mapping[int, _Matched],
) -> Slider | None:
    rows = [(i, *_arrays(row)) for i, row in enumerate(found.rows)]
    every = np.concatenate([scores for _, _, scores, _ in rows])
    if not len(every):
        return None
    chosen = found.head.get('score_threshold')
    at = positions(every, None if chosen is None else float(chosen))
    at = [value for value in at if value >= 0]
    right = [s[matched[i].right] for i, _, s, _ in rows if i in matched]
    wrong = [s[~matched[i].right] for i, _, s, _ in rows if i in matched]
    others = [s for i, _, s, _ in rows if i not in matched]
    parts = {
        'on a true box': (_joined(right), GOOD),
        'false': (_joined(wrong), DEFECT),
        'truth not known': (_joined(others), UNKNOWN),
    }
    start = start_of(at, chosen)
    if at[-1] > _SHOWN:
        # a detector's own is low, for the precision over all scores
        start = max(start, int(np.searchsorted(at, _SHOWN)))
    slider = Slider(
        at,
        start,
        chosen,
        histogram(parts, 'score of a box', 'boxes'),
        nouns=('true boxes', 'false boxes'),
        per=len(matched) or None,
        inclusive=True,
    )
    if matched:
        n = sum(len(own.found) for own in matched.values())
        slider.detected = Group('', n, count_above(_joined(right), at, True))
        slider.false_alarms = Group(
            '', len(matched), count_above(_joined(wrong), at, True)
        )
        slider.groups = _by_class(found, known, matched, at)
    if others:
        unknown = _joined(others)
        slider.unknown = Group(
            '', len(unknown), count_above(unknown, at, True)
        )
    return slider


def _by_class(
    found: Predicted,
    known: Mapping[int, TrueImage],
    matched: Mapping[int, _Matched],
    at: list[float],
) -> list[Group]:
    scores: dict[str, list[float]] = {}
    for i, own in matched.items():
        boxes = found.rows[i]['boxes']
        for name, index in zip(known[i].labels, own.found, strict=True):
            # what no box has found is above no threshold
            score = boxes[index]['score'] if index >= 0 else -np.inf
            scores.setdefault(printable(name), []).append(score)
    arrays = {name: np.array(own) for name, own in scores.items()}
    return groups_above(arrays, at, True)


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([*parts, np.zeros(0)])


def _confusion(found: Predicted, known: Mapping[int, TrueImage]) -> tuple:
    """Compare classes of boxes that overlap, whatever their class."""
    truth, predicted = [], []
    for i, true in known.items():
        boxes, scores, labels = _arrays(found.rows[i])
        shown = scores >= _SHOWN
        names = [n for n, keep in zip(labels, shown, strict=True) if keep]
        at = match_boxes(boxes[shown], scores[shown], true.boxes, IOU)
        truth += [true.labels[k] if k >= 0 else NO_BOX for k in at]
        predicted += names
        missed = sorted({*range(len(true.labels))} - {*at.tolist()})
        truth += [true.labels[k] for k in missed]
        predicted += [NO_BOX] * len(missed)
    if not truth:
        return ()
    plot, table = confusion(truth, predicted, [*_classes(found), NO_BOX])
    table.title = (
        f'boxes of a score of {_SHOWN:g} or more, and true boxes, by class'
    )
    # of what is no box, nothing can be found
    table.rows = [row for row in table.rows if row[0] != NO_BOX]
    table.head = ['class', 'boxes', 'recall, %', 'precision, %']
    return plot, table


def _classes(found: Predicted) -> list[str]:
    return [str(name) for name in found.head.get('classes') or ()]


def _gallery(
    found: Predicted, matched: Mapping[int, _Matched], pictures: Pictures
) -> Gallery:
    cards = []
    counts = {i: _errors(found.rows[i], own) for i, own in matched.items()}
    order = sorted(
        range(len(found.rows)),
        key=lambda i: (-sum(counts.get(i, (0, 0))), -_best(found.rows[i])),
    )
    for i in order[: pictures.most]:
        row = found.rows[i]
        shown = sum(box['score'] >= _SHOWN for box in row['boxes'])
        card = Card(
            printable(found.name_of(row['path'])), lines=[f'{shown} boxes']
        )
        if i in counts:
            missed, false = counts[i]
            card.lines = [f'{missed} missed, {false} false, {shown} boxes']
            card.badge = 'wrong' if missed + false else 'right'
        draw_into(card, pictures, partial(_draw, found, i))
        cards.append(card)
    said = f'{len(cards)} of {len(order)} images, boxes of {_SHOWN:g} or more'
    if matched:
        said += '; truth on the left; the most errors first'
    else:
        said += '; the highest score first'
    return Gallery(cards, said)


def _best(row: Mapping[str, Any]) -> float:
    return max((box['score'] for box in row['boxes']), default=0.0)


def _errors(row: Mapping[str, Any], own: _Matched) -> tuple[int, int]:
    """Count true boxes that are missed, and false boxes."""
    _, scores, _ = _arrays(row)
    shown = scores >= _SHOWN
    found = sum(bool(k >= 0 and shown[k]) for k in own.found)
    return len(own.found) - found, int((shown & ~own.right).sum())


def _draw(found: Predicted, index: int) -> np.ndarray:
    row, true = found.rows[index], found.truth[index]
    image = found.source.read(row['path'], SIDE)
    size, classes = tuple(row['size']), _classes(found)
    frames = [
        _frame(box['box'], box['label'], classes, box['score'])
        for box in reversed(row['boxes'])
        if box['score'] >= _SHOWN
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
