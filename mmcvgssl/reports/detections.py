"""Boxes of a detector beside true ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mmcvgssl.evaluation.box_recall import match_boxes
from mmcvgssl.reports.confusion import confusion
from mmcvgssl.reports.detection_gallery import gallery_of_boxes
from mmcvgssl.reports.figures import DEFECT, GOOD, UNKNOWN
from mmcvgssl.reports.matched_boxes import (
    IOU,
    Matched,
    arrays_of,
    least_shown,
    match,
)
from mmcvgssl.reports.pictures import Pictures
from mmcvgssl.reports.predicted import Predicted
from mmcvgssl.reports.section import Group, Section, Slider
from mmcvgssl.reports.thresholds import (
    count_above,
    groups_above,
    histogram,
    positions,
)
from mmcvgssl.reports.truth import TrueImage
from mmcvgssl.utils import printable

NO_BOX = '(no box)'


def section_of_detections(found: Predicted, pictures: Pictures) -> Section:
    """Return boxes by score, and the images with the most errors."""
    section = Section(f'Boxes: {found.result.name}')
    if not found.rows:
        section.notes.append('No image could be read.')
        return section
    known = {i: t for i, t in enumerate(found.truth) if t and t.has_boxes}
    matched = {i: match(found.rows[i], true) for i, true in known.items()}
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
    section.parts.append(gallery_of_boxes(found, matched, pictures))
    return section


def _slider(
    found: Predicted,
    known: Mapping[int, TrueImage],
    matched: Mapping[int, Matched],
) -> Slider | None:
    rows = [(i, *arrays_of(row)) for i, row in enumerate(found.rows)]
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
    start = int(np.searchsorted(at, least_shown(found)))
    slider = Slider(
        at,
        min(start, len(at) - 1),
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
    matched: Mapping[int, Matched],
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
    truth, predicted, least = [], [], least_shown(found)
    for i, true in known.items():
        boxes, scores, labels = arrays_of(found.rows[i])
        shown = scores >= least
        names = [n for n, keep in zip(labels, shown, strict=True) if keep]
        at = match_boxes(boxes[shown], scores[shown], true.boxes, IOU)
        truth += [true.labels[k] if k >= 0 else NO_BOX for k in at]
        predicted += names
        missed = sorted({*range(len(true.labels))} - {*at.tolist()})
        truth += [true.labels[k] for k in missed]
        predicted += [NO_BOX] * len(missed)
    if not truth:
        return ()
    plot, table = confusion(truth, predicted, [*found.classes, NO_BOX])
    table.title = (
        f'boxes of a score of {least:.2g} or more, and true boxes, by class'
    )
    # of what is no box, nothing can be found
    table.rows = [row for row in table.rows if row[0] != NO_BOX]
    table.head = ['class', 'boxes', 'recall, %', 'precision, %']
    return plot, table
