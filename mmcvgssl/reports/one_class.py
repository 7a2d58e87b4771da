"""Images that ``mmcvgssl one-class`` has tested."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmcvgssl.apis.one_class.table import read_result
from mmcvgssl.datasets.text_lists import read_text
from mmcvgssl.predictions import GOOD
from mmcvgssl.reports.anomaly import SIDE
from mmcvgssl.reports.pictures import Source
from mmcvgssl.reports.results import Result
from mmcvgssl.reports.scores import Scored
from mmcvgssl.reports.truth import TrueImage


def scored_by_one_class(result: Result, images: Path | None) -> Scored:
    """Return scores of the images of a category, with their truth.

    Args:
        result: Folder of the category.
        images: Folder that the images are in now, if it is another.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If one is something else; names it.
    """
    content = read_result(result.folder / 'result.json')
    file = result.folder / 'scores.csv'
    rows = list(csv.DictReader(io.StringIO(read_text(file))))
    try:
        paths = [row['path'] for row in rows]
        source = Source(_root_of(paths, images), images)
        point = content['threshold'] or {}
        values = [float(row['score']) for row in rows]
        if not all(map(math.isfinite, [*values, point.get('threshold') or 0])):
            raise ValueError('a score or the threshold is not finite')
        return Scored(
            result.name,
            source,
            paths,
            paths,
            np.array(values),
            [_true(row) for row in rows],
            point.get('threshold'),
            lambda i: source.read(paths[i], SIDE),
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


def _root_of(paths: Sequence[str], images: Path | None) -> str:
    """Return the folder whose images are in another now.

    It holds all of them, and is the uppermost one below which one of them
    has the same path there.
    """
    if not paths or images is None:
        return ''
    root = Path(os.path.commonpath([os.path.dirname(path) for path in paths]))
    for upper in (*reversed(root.parents), root):
        names = (Path(path).relative_to(upper) for path in paths)
        if any((images / name).is_file() for name in names):
            return str(upper)
    return str(root)


def _true(row: dict[str, Any]) -> TrueImage:
    defective = bool(int(row['label']))
    name = row['defect'] or ('defect' if defective else GOOD)
    return TrueImage(name, defective)
