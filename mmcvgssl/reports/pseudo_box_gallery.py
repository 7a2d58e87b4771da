"""Pictures of pseudo-boxes, and of labels that they have joined."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
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
from mmcvgssl.reports.detection_gallery import SIDE, counted
from mmcvgssl.reports.pictures import Pictures, Source
from mmcvgssl.reports.results import Result
from mmcvgssl.reports.scores import draw_into
from mmcvgssl.reports.section import Card, Gallery, Part, Section
from mmcvgssl.reports.truth import DETECTOR, TrueImage, Truth
from mmcvgssl.utils import evenly, printable, read_json
from mmcvgssl.visualization.side_by_side import side_by_side

REPORT = 'report.json'
_PSEUDO, _TRUE = (255, 255, 0), (255, 255, 255)  # BGR


def pictures_of_boxes(
    result: Result,
    description: str,
    images: Path | None,
    truth: Truth | None,
    pictures: Pictures,
    section: Section,
) -> list[Part]:
    """Return images with boxes, evenly chosen, beside true boxes.

    Args:
        result: Folder of the COCO file.
        description: That the file has, which says how it was made.
        images: Folder of the images; by default that of which the report
            beside the boxes tells.
        truth: True boxes.
        pictures: Pictures of the page.
        section: Gets notes on what is missing.
    """
    file, content = _coco(result.folder, description)
    if content is None:
        section.notes.append(
            f'{result.folder} holds no COCO file of these boxes, so there '
            'are no pictures.'
        )
        return []
    images = images or _recorded_root(result.folder)
    if images is None:
        section.notes.append(
            'The images are not where they were, or that is not recorded: '
            'give --images DIR for pictures.'
        )
        return []
    try:
        shown = [_shown(*pair, description) for pair in _with_boxes(content)]
        paths = [str(image['file_name']) for image in content['images']]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        section.problems.append(
            f'{file}: expected images with file_name, height and width, and '
            f'boxes with bbox, but {type(error).__name__}: {error}'
        )
        return []
    shown = [own for own in shown if own.pseudo]
    known: dict[str, TrueImage | None] = {}
    if truth is not None:
        found = truth.fit(DETECTOR, paths, section.notes)
        known = dict(zip(paths, found, strict=True))
    source, cards = Source('', images), []
    for k in evenly(len(shown), pictures.most):
        own = shown[k]
        card = Card(printable(own.path), lines=[counted(len(own.frames))])
        draw = partial(_draw, source, own, known.get(own.path))
        draw_into(card, pictures, draw)
        cards.append(card)
    said = f'{len(cards)} of {len(shown)} images with boxes, evenly chosen'
    if any(known.values()):
        said += '; truth on the left'
    if description == JOINED:
        said += '; boxes of the detector in cyan, labels in white'
    return [Gallery(cards, said)]


def _recorded_root(folder: Path) -> Path | None:
    """Return the images' folder by the report beside the boxes."""
    recorded = read_json(folder / REPORT).get('images_root')
    root = folder / str(recorded)
    return root if recorded and root.is_dir() else None


@dataclass(frozen=True)
class _Shown:
    """An image that is shown.

    Args:
        path: Its path.
        size: Height and width, pixels.
        frames: Its boxes.
        pseudo: Whether one of them is no label.
    """

    path: str
    size: tuple[int, int]
    frames: list[Frame]
    pseudo: bool


def _coco(
    folder: Path, description: str
) -> tuple[Path, dict[str, Any] | None]:
    """Return the COCO file of a folder that a command has described so."""
    for file in sorted(folder.glob('*.json')):
        if file.name == REPORT:
            continue
        try:
            content = read_coco(file)
        except AnnotationError:  # another file
            continue
        info = content.get('info')
        if isinstance(info, dict) and info.get('description') == description:
            return file, content
    return folder, None


def _with_boxes(content: Mapping[str, Any]) -> Iterator[tuple[Any, list]]:
    """Yield images and the boxes of each."""
    boxes: dict[Any, list] = {}
    for box in content['annotations']:
        boxes.setdefault(box['image_id'], []).append(box)
    for image in content['images']:
        yield image, boxes.get(image['id'], [])


def _shown(
    image: Mapping[str, Any],
    boxes: Sequence[Mapping[str, Any]],
    description: str,
) -> _Shown:
    height, width = int(image['height']), int(image['width'])
    if min(height, width) < 1:
        raise ValueError(f'an image of {height} x {width} pixels')
    return _Shown(
        str(image['file_name']),
        (height, width),
        [_frame(box, description) for box in boxes],
        any(_is_pseudo(description, box) for box in boxes),
    )


def _draw(source: Source, own: _Shown, true: TrueImage | None) -> np.ndarray:
    image = source.read(own.path, SIDE)
    panels = [draw_boxes(image, own.size, frames=own.frames)]
    if true is not None and true.has_boxes:
        labels: list[Frame] = [
            (box, name, _TRUE)
            for box, name in zip(true.boxes.tolist(), true.labels, strict=True)
        ]
        panels.insert(0, draw_boxes(image, own.size, frames=labels))
    return side_by_side(panels)


def _is_pseudo(description: str, box: Mapping[str, Any]) -> bool:
    # cut from maps, all are; joined ones are marked
    return description == FROM_MAPS or bool(box.get(PSEUDO))


def _frame(box: Mapping[str, Any], description: str) -> Frame:
    x, y, w, h = map(float, box['bbox'])
    if not math.isfinite(x + y + w + h):
        raise ValueError(f'the bbox {box["bbox"]}')
    score = box.get('score')
    colour = _PSEUDO if _is_pseudo(description, box) else _TRUE
    text = '' if score is None else f'{float(score):.3g}'
    return [x, y, x + w, y + h], text, colour
