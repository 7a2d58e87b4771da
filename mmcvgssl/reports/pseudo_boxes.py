"""Boxes without labels: cut from maps, or joined by a detector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from mmcvgssl.apis.prediction.boxes import Frame, draw_boxes
from mmcvgssl.datasets.coco_file import (
    FROM_MAPS,
    JOINED,
    PSEUDO,
    AnnotationError,
    read_coco,
)
from mmcvgssl.reports.figures import UNKNOWN, figure
from mmcvgssl.reports.pictures import Pictures, Source
from mmcvgssl.reports.results import Result
from mmcvgssl.reports.scores import draw_into
from mmcvgssl.reports.section import (
    Card,
    Cell,
    Gallery,
    Part,
    Plot,
    Section,
    Table,
)
from mmcvgssl.reports.truth import DETECTOR, TrueImage, Truth
from mmcvgssl.utils import evenly, printable, read_json
from mmcvgssl.visualization.side_by_side import side_by_side

_SIDE = 260  # pixels
_PSEUDO, _TRUE = (255, 255, 0), (255, 255, 255)  # BGR
_REPORT = 'report.json'


def section_of_boxes(
    result: Result,
    images: Path | None,
    truth: Truth | None,
    pictures: Pictures,
) -> Section:
    """Return boxes that mmcvgssl boxes has cut from maps.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If one is something else; names it.
    """
    file = result.folder / _REPORT
    report = read_json(file)
    section = Section(f'Pseudo-boxes: {result.name}')
    try:
        section.notes = [str(note) for note in report['notes']]
        section.parts = _histograms(report)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _unexpected(file, 'boxes', error) from error
    section.parts += _pictures(
        result, FROM_MAPS, images, truth, pictures, section
    )
    return section


def section_of_joined(
    result: Result,
    images: Path | None,
    truth: Truth | None,
    pictures: Pictures,
) -> Section:
    """Return boxes that mmcvgssl self-train has joined to labels.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If one is something else; names it.
    """
    file = result.folder / _REPORT
    report = read_json(file)
    section = Section(f'Boxes that joined labels: {result.name}')
    try:
        rows: list[list[Cell]] = [
            [
                printable(str(name)),
                of['labels'],
                of['boxes'],
                _number(of['threshold'], 3),
                _number(of['precision'], 2),
                _number(of['recall'], 2),
            ]
            for name, of in report['classes'].items()
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _unexpected(file, 'self-train', error) from error
    head = ['class', 'labels', 'boxes', 'threshold', 'precision', 'recall']
    section.parts = [Table(head, rows)]
    section.parts += _pictures(
        result, JOINED, images, truth, pictures, section
    )
    return section


def _unexpected(file: Path, verb: str, error: Exception) -> ValueError:
    return ValueError(
        f'{file}: expected what mmcvgssl {verb} writes, but '
        f'{type(error).__name__}: {error}'
    )


def _number(value: Any, digits: int) -> Cell:
    return None if value is None else f'{float(value):.{digits}f}'


def _histograms(report: Mapping[str, Any]) -> list[Part]:
    counts = report['boxes_per_image']['images_with']
    by_count = figure(
        [
            {
                'type': 'bar',
                'x': list(range(len(counts))),
                'y': counts,
                'marker': {'color': UNKNOWN},
            }
        ],
        'boxes in an image',
        'images',
    )
    shown: dict[str, Any] = {'boxes in an image': by_count}
    for name, x in (
        ('score_histogram', 'score, in units of the maps'),
        ('area_histogram', 'area of a box, pixels'),
    ):
        edges = np.array(report[name]['edges'], float)
        bar = {
            'type': 'bar',
            'x': ((edges[:-1] + edges[1:]) / 2).tolist(),
            'width': np.diff(edges).tolist(),
            'y': report[name]['counts'],
            'marker': {'color': UNKNOWN},
        }
        if name == 'area_histogram':  # sides double from bar to bar
            low = [f'{edge**0.5:g}' for edge in edges]
            bar['x'] = [f'{a} to {b}' for a, b in pairwise(low)]
            del bar['width']
            x = 'root of the area of a box, pixels'
        shown[x] = figure([bar], x, 'boxes', bargap=0)
    share = 100 * float(report['share_without_box'])
    table = Table(
        ['images', 'boxes', 'boxes an image', 'images without a box, %'],
        [
            [
                int(report['images']),
                int(report['boxes']),
                f'{float(report["boxes_per_image"]["mean"]):.2f}',
                f'{share:.1f}',
            ]
        ],
    )
    parts: list[Part] = [table, Plot(shown, height=300)]
    if 'ground_truth' in report:
        parts.append(_recall(report['ground_truth']))
    return parts


def _recall(found: Mapping[str, Any]) -> Table:
    rows: list[list[Cell]] = [
        [
            f'IoU {iou}',
            found['true'],
            _number(of['recall'] and 100 * of['recall'], 1),
            _number(of['precision'] and 100 * of['precision'], 1),
        ]
        for iou, of in found['iou'].items()
    ]
    head = ['overlap', 'true boxes', 'recall, %', 'precision, %']
    return Table(head, rows, 'Against true boxes, whatever their class')


def _pictures(
    result: Result,
    description: str,
    images: Path | None,
    truth: Truth | None,
    pictures: Pictures,
    section: Section,
) -> list[Part]:
    content = _coco(result.folder, description)
    if content is None:
        section.notes.append(
            f'{result.folder} holds no COCO file of these boxes, so there '
            'are no pictures.'
        )
        return []
    if images is None:
        section.notes.append(
            'Where the images lie is not recorded: give --images DIR for '
            'pictures.'
        )
        return []
    source = Source('', images)
    paths = [str(image['file_name']) for image in content['images']]
    boxes: dict[Any, list] = {}
    for box in content['annotations']:
        boxes.setdefault(box['image_id'], []).append(box)
    ids = [image['id'] for image in content['images']]
    pseudo = {
        key
        for key, own in boxes.items()
        if any(map(partial(_is_pseudo, description), own))
    }
    with_box = [i for i, key in enumerate(ids) if key in pseudo]
    known = None
    if truth is not None:
        known = truth.fit(DETECTOR, paths, section.notes)
    cards = []
    for k in evenly(len(with_box), pictures.most):
        i = with_box[k]
        image = content['images'][i]
        size = int(image['height']), int(image['width'])
        own = boxes[ids[i]]
        card = Card(printable(paths[i]), lines=[f'{len(own)} boxes'])
        draw_into(
            card,
            pictures,
            partial(
                _draw,
                source,
                paths[i],
                size,
                [_frame(box, description) for box in own],
                None if known is None else known[i],
            ),
        )
        cards.append(card)
    said = f'{len(cards)} of {len(with_box)} images with boxes, evenly chosen'
    if known is not None and any(known):
        said += '; truth on the left'
    if description == JOINED:
        said += '; boxes of the detector in cyan, labels in white'
    return [Gallery(cards, said)]


def _coco(folder: Path, description: str) -> dict[str, Any] | None:
    """Return the COCO file of a folder that a command has described so."""
    for file in sorted(folder.glob('*.json')):
        if file.name == _REPORT:
            continue
        try:
            content = read_coco(file)
        except AnnotationError:  # another file
            continue
        info = content.get('info')
        if isinstance(info, dict) and info.get('description') == description:
            return content
    return None


def _draw(
    source: Source,
    path: str,
    size: tuple[int, int],
    frames: Sequence[Frame],
    true: TrueImage | None,
) -> np.ndarray:
    image = source.read(path, _SIDE)
    panels = [draw_boxes(image, size, frames=frames)]
    if true is not None and true.has_boxes:
        labels: list[Frame] = [
            (box, name, _TRUE)
            for box, name in zip(true.boxes.tolist(), true.labels, strict=True)
        ]
        panels.insert(0, draw_boxes(image, size, frames=labels))
    return side_by_side(panels)


def _is_pseudo(description: str, box: Mapping[str, Any]) -> bool:
    # cut from maps, all are; joined ones are marked
    return description == FROM_MAPS or bool(box.get(PSEUDO))


def _frame(box: Mapping[str, Any], description: str) -> Frame:
    x, y, w, h = map(float, box['bbox'])
    score = box.get('score')
    colour = _PSEUDO if _is_pseudo(description, box) else _TRUE
    text = '' if score is None else f'{float(score):.3g}'
    return [x, y, x + w, y + h], text, colour
