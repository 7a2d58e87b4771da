"""Boxes without labels: cut from maps, or joined by a detector."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from mmcvgssl.datasets.coco_file import (
    FROM_MAPS,
    JOINED,
)
from mmcvgssl.reports.figures import UNKNOWN, figure
from mmcvgssl.reports.pictures import Pictures
from mmcvgssl.reports.pseudo_box_gallery import REPORT, pictures_of_boxes
from mmcvgssl.reports.results import Result
from mmcvgssl.reports.section import (
    Cell,
    Part,
    Plot,
    Section,
    Table,
)
from mmcvgssl.reports.truth import Truth
from mmcvgssl.utils import printable, read_json


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
    file = result.folder / REPORT
    report = read_json(file)
    section = Section(f'Pseudo-boxes: {result.name}')
    try:
        section.notes = [str(note) for note in report['notes']]
        section.parts = _histograms(report)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _unexpected(file, 'boxes', error) from error
    section.parts += pictures_of_boxes(
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
    file = result.folder / REPORT
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
    section.parts += pictures_of_boxes(
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
