"""Reading the tables of ``mmcvgssl predict``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmcvgssl.apis.prediction.tables import TRUTH
from mmcvgssl.datasets.coco_file import number
from mmcvgssl.maps import MapFolder, inside
from mmcvgssl.predictions import JSON_TABLE
from mmcvgssl.provenance import (
    RECORD,
    Provenance,
    ProvenanceError,
    reading_in,
)
from mmcvgssl.reports.pictures import Source
from mmcvgssl.reports.results import Result
from mmcvgssl.reports.truth import ANOMALY, CLASSIFIER, DETECTOR, TrueImage
from mmcvgssl.utils import read_json, with_suffix_added

# of each kind, the columns that a page needs
_COLUMNS: Mapping[str, dict[str, type | tuple[type, ...]]] = {
    ANOMALY: {'score': (int, float)},
    CLASSIFIER: {'label': str, 'probability': (int, float)},
    DETECTOR: {'boxes': list},
}

_THRESHOLDS = 'threshold', 'map_threshold', 'score_threshold'


@dataclass
class Predicted:
    """Predictions of a folder.

    Args:
        result: Where they lie.
        kind: Kind of the model file.
        head: What holds for all images.
        rows: Those that could be read.
        errors: Why others could not.
        source: Where the images are.
        truth: What is true of each, if that is known.
        maps: Their anomaly maps, if they were written.
    """

    result: Result
    kind: str
    head: dict[str, Any]
    rows: list[dict[str, Any]]
    errors: list[str]
    source: Source
    truth: list[TrueImage | None] = field(default_factory=list)
    maps: MapFolder | None = None

    @property
    def paths(self) -> list[str]:
        """Paths of the images."""
        return [row['path'] for row in self.rows]

    @property
    def classes(self) -> list[str]:
        """Names that the model knows, by index; none if it has no classes."""
        known = self.head.get('classes') or (
            self.rows[0].get('probabilities') if self.rows else None
        )
        return [str(name) for name in known or ()]

    def name_of(self, path: str) -> str:
        """Return an image's path below the folder of all of them."""
        whole = Path(path)
        if whole.is_relative_to(self.source.root):
            return whole.relative_to(self.source.root).as_posix()
        return whole.as_posix()

    def overlay(self, path: str) -> Path | None:
        """Return the picture that was drawn of an image, if it was."""
        folder = self.head.get('overlays')
        if not folder:
            return None
        name = with_suffix_added(self.name_of(path), '.png')
        file = self.result.folder / str(folder) / name
        return file if file.is_file() else None


def read_predicted(result: Result, images: Path | None) -> Predicted:
    """Read the predictions of a folder.

    Args:
        result: The folder.
        images: Folder that the images are in now, if it is another.

    Raises:
        OSError: If the table cannot be read.
        ValueError: If it is something else; names it.
    """
    file = result.folder / JSON_TABLE
    content = read_json(file)
    try:
        kind = content['model']['kind']
        columns = _COLUMNS[kind]
        rows, errors = [], []
        truth: list[TrueImage | None] = []
        for row in content['images']:
            if row['size'] is None:
                errors.append(str(row['error']))
                continue
            _check(row, columns)
            rows.append(row)
            known = row.get(TRUTH)
            truth.append(None if known is None else TrueImage.of_row(known))
        root = str(content['root'])
        for name in _THRESHOLDS:
            _check_threshold(name, content.get(name))
        for folder in ('overlays', 'maps'):
            if content.get(folder):
                inside(content[folder])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f'{file}: expected predictions as mmcvgssl predict writes them, '
            f'but {type(error).__name__}: {error}; predict the images again'
        ) from error
    try:
        record = Provenance.read(result.folder / RECORD)
    except ProvenanceError:  # is said with the settings
        record = None
    reading = {} if record is None else reading_in(record.values)
    found = Predicted(
        *(result, kind, content, rows, errors),
        Source(root, images, reading),
        truth,
    )
    folder = content.get('maps')
    if folder and (result.folder / str(folder)).is_dir():
        found.maps = MapFolder(result.folder / str(folder))
    return found


def _check_threshold(name: str, value: Any) -> None:
    if value is not None and number(value) is None:
        raise ValueError(f'{name} is {value!r:.40}')


def _check(row: Mapping[str, Any], columns: Mapping[str, Any]) -> None:
    for name, kind in {'path': str, **columns}.items():
        value = row[name]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ValueError(f'{name} of {row["path"]} is {value!r:.40}')
        if not isinstance(value, (str, list)) and number(value) is None:
            raise ValueError(f'{name} of {row["path"]} is {value}')
    for box in row.get('boxes') or ():
        corners = [*map(float, box['box']), float(box['score'])]
        if len(corners) != 5 or not all(map(math.isfinite, corners)):
            raise ValueError(f'a box of {row["path"]} is {box!r:.60}')
        if not isinstance(box['label'], str):
            raise ValueError(f'a label of {row["path"]} is no text')
