"""Labels of boxes that the neighbours of their crops contradict."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import cv2
import numpy as np

from mmcvgssl.datasets.checks import (
    NOTE,
    WARNING,
    DataPart,
    Example,
    Finding,
    ImageTable,
)
from mmcvgssl.datasets.coco_check import AnnotationError
from mmcvgssl.datasets.reading import read_image
from mmcvgssl.evaluation.label_errors import NEIGHBOURS, find_label_errors
from mmcvgssl.maps.box_files import read_ground_truth
from mmcvgssl.utils import atomic_write, printable

if TYPE_CHECKING:
    from mmcvgssl.apis.features import FeatureExtractor

_SIDE = 8  # pixels of a box, below which nothing can be told


@dataclass(frozen=True)
class _Crop:
    line: str
    file: str  # of its image
    label: str


def box_label_findings(
    parts: Sequence[DataPart],
    table: ImageTable,
    first: Sequence[int],
    extractor: FeatureExtractor,
) -> list[Finding]:
    """Report labels of boxes that no neighbour in feature space has.

    The crops of the boxes are compared, in files that do not stay, so that
    memory does not grow with them. Boxes with a side below 8 pixels, and
    those of copies of an image, are left out.

    Args:
        parts: Parts of the data set.
        table: Images that have been read.
        first: By image, the first of its copies.
        extractor: Computes the features.
    """
    notes: list[Finding] = []
    with TemporaryDirectory() as home:
        crops: list[_Crop] = []
        for crop, pixels in _crops(parts, table, first, notes):
            data = cv2.imencode('.png', pixels)[1].tobytes()
            atomic_write(_file(home, len(crops)), data)
            crops.append(crop)
        names = sorted({crop.label for crop in crops})
        if len(names) < 2:
            return notes
        features = extractor([_file(home, i) for i in range(len(crops))])
    used = [crops[i] for i in features.indices]
    index = {name: i for i, name in enumerate(names)}
    found = find_label_errors(
        features.rows, np.array([index[crop.label] for crop in used])
    )
    if not found:
        return notes
    examples = [
        Example(
            f'{used[error.index].line}: {printable(names[error.suggested])}? '
            f'{error.share:.0%} of its neighbours',
            (used[error.index].file,),
        )
        for error in found
    ]
    text = f'labels of boxes that none of the {NEIGHBOURS} nearest boxes has'
    return [
        Finding(
            'box-labels',
            WARNING,
            f'{text}, where these are surely of another class',
            examples,
            'look at them: classes that look alike are named, too',
        ),
        *notes,
    ]


def _crops(
    parts: Sequence[DataPart],
    table: ImageTable,
    first: Sequence[int],
    notes: list[Finding],
) -> Iterator[tuple[_Crop, np.ndarray]]:
    """Yield the boxes of images that can be read, each image once."""
    firsts = {table.files[i] for i in table.read if first[i] == i}
    for part in parts:
        if part.boxes is None:
            continue
        try:
            truth = read_ground_truth(part.boxes.file)
        except AnnotationError:  # what is wrong is found with the boxes
            text = 'labels of boxes are not compared before they are mended'
            notes.append(Finding('box-labels', NOTE, f'{part.name}: {text}'))
            continue
        files = {image.path: image.file for image in part.images}
        for path, (boxes, labels) in truth.images.items():
            file = files.get(os.path.normpath(path))
            if file not in firsts or not len(boxes):
                continue
            picture = read_image(file)
            for box, label in zip(boxes, labels, strict=True):
                x1, y1, x2, y2 = np.maximum(np.round(box), 0).astype(int)
                pixels = picture[y1:y2, x1:x2]
                if min(pixels.shape[:2]) < _SIDE:
                    continue
                name = str(truth.classes[label])
                line = f'{part.name}: {path} [{x1}, {y1}, {x2}, {y2}] ({name})'
                yield _Crop(printable(line), file, name), pixels


def _file(home: str, index: int) -> Path:
    return Path(home, f'{index}.png')
