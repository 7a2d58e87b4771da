"""Images that an anomaly model has scored, with heatmap and truth."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mmcvgssl.apis.one_class.table import read_result
from mmcvgssl.apis.prediction.anomaly import draw_heatmap
from mmcvgssl.datasets.reading import read_image
from mmcvgssl.datasets.reading.masks import read_mask
from mmcvgssl.datasets.text_lists import read_text
from mmcvgssl.predictions import GOOD
from mmcvgssl.reports.pictures import Pictures, Source, beside
from mmcvgssl.reports.predicted import Predicted
from mmcvgssl.reports.results import Result
from mmcvgssl.reports.scores import Scored, section_of_scores
from mmcvgssl.reports.section import Section
from mmcvgssl.reports.truth import TrueImage
from mmcvgssl.visualization.fitted import fitted

SIDE = 180  # pixels of a picture, of which up to three stand side by side
_OUTLINE = (80, 230, 80)  # BGR, of what a mask marks


def section_of_predicted(found: Predicted, pictures: Pictures) -> Section:
    """Return scores and heatmaps of predicted images."""
    threshold = found.head.get('threshold')
    scored = Scored(
        f'Anomaly scores: {found.result.name}',
        [found.name_of(path) for path in found.paths],
        np.array([row['score'] for row in found.rows], float),
        found.truth,
        None if threshold is None else float(threshold),
        lambda i: _draw(found, i),
        _notes(found),
    )
    return section_of_scores(scored, pictures)


def _notes(found: Predicted) -> list[str]:
    shown = 'image and heatmap'
    if any(t is not None and t.mask for t in found.truth):
        shown += ', then the truth outlined in green'
    notes = [f'Each picture shows {shown}; {found.head.get("colours")}.']
    if not found.head.get('overlays') and found.maps is None:
        notes = [
            'There are neither overlays nor maps, so images are shown '
            'without heatmaps: predict without --no-overlay, or with --map.'
        ]
    return notes


def _draw(found: Predicted, index: int) -> np.ndarray:
    path, true = found.paths[index], found.truth[index]
    image = found.source.read(path, SIDE)
    panels = [image]
    heat = _heatmap(found, path, image)
    if heat is not None:
        panels.append(heat)
    if true is not None and true.mask:
        panels.append(outlined(image, true.mask))
    return beside(panels)


def _heatmap(
    found: Predicted, path: str, image: np.ndarray
) -> np.ndarray | None:
    drawn = found.overlay(path)
    if drawn is not None:
        return fitted(read_image(str(drawn)), SIDE)
    name = found.name_of(path)
    if found.maps is None or name not in found.maps:
        return None
    return draw_heatmap(
        image,
        anomaly_map=found.maps.load_map(name),
        map_threshold=found.head.get('map_threshold'),
    )


def outlined(image: np.ndarray, mask: str) -> np.ndarray:
    """Outline on an image what a mask marks.

    Args:
        image: BGR uint8 [h, w, 3].
        mask: Path of the mask, of any size.

    Returns:
        BGR uint8 [h, w, 3].
    """
    marked = read_mask(mask).astype(np.uint8)
    height, width = image.shape[:2]
    # what is marked stays so where the mask shrinks
    small = cv2.resize(
        marked * 255, (width, height), interpolation=cv2.INTER_AREA
    )
    edges, _ = cv2.findContours(
        (small > 0).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    drawn = image.copy()
    cv2.drawContours(drawn, edges, -1, _OUTLINE, 1)
    return drawn


def section_of_one_class(
    result: Result, images: Path | None, pictures: Pictures
) -> Section:
    """Return scores of the images that mmcvgssl one-class has tested.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If one is something else; names it.
    """
    content = read_result(result.folder / 'result.json')
    file = result.folder / 'scores.csv'
    rows = list(csv.DictReader(io.StringIO(read_text(file))))
    try:
        point = content['threshold'] or {}
        scored = Scored(
            f'Anomaly scores: {result.name}',
            [row['path'] for row in rows],
            np.array([float(row['score']) for row in rows]),
            [_true(row) for row in rows],
            point.get('threshold'),
            _reader(rows, images),
            [
                'Images are shown without heatmaps, which mmcvgssl predict '
                'draws.'
            ],
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f'{file}: expected path, defect, label and score of each image, '
            f'as mmcvgssl one-class writes them, but {type(error).__name__}: '
            f'{error}'
        ) from error
    return section_of_scores(scored, pictures)


def _true(row: dict[str, Any]) -> TrueImage:
    defective = bool(int(row['label']))
    return TrueImage(
        row['defect'] or ('defect' if defective else GOOD), defective
    )


def _reader(rows: list[dict[str, Any]], images: Path | None):
    source = Source('', images)
    return lambda i: source.read(rows[i]['path'], SIDE)
