"""What is said of an image: the rows of the tables of predictions.

Needs neither torch nor a host, as the runtime of exported models writes the
same tables.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    from mmcvgssl.provenance import FileState

TABLE, JSON_TABLE = 'predictions.csv', 'predictions.json'
GOOD, DEFECTIVE = 'good', 'defective'
GIVEN = 'given'  # how a threshold of the command line was chosen


def calls_defective(scores: Any, threshold: float) -> Any:
    """Whether scores are greater than the threshold.

    Args:
        scores: A number, or an array [n].
        threshold: Threshold of image scores, see :func:`operating_point`.

    Returns:
        A boolean, or booleans [n].
    """
    return scores > threshold


@dataclass
class Prediction:
    """What is said of one image; kinds add their own fields.

    Attributes:
        path: Path of the image.
        error: Why the image cannot be read, or a file of it not written.
        size: Height and width of the image's file, pixels.
        file: State of the file when it was read; None if it has changed
            meanwhile.
    """

    path: str
    error: str | None = None
    size: tuple[int, int] | None = None
    file: FileState | None = None

    # columns of the tables, of which 'path' is the first
    FIELDS: ClassVar[tuple[str, ...]] = ('path', 'error')

    @property
    def is_read(self) -> bool:
        """Whether the image could be read, and the model has judged it."""
        return self.size is not None

    def row(self) -> dict[str, Any]:
        """Return the columns, as JSON can hold them."""
        return {key: getattr(self, key) for key in self.FIELDS}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Prediction:
        """Return a prediction that :meth:`row` gave.

        Raises:
            KeyError: If columns are missing.
        """
        return cls(**{key: row[key] for key in cls.FIELDS})

    def line(self) -> str:
        """Say in a few words what was found, for the terminal."""
        return ''

    def at(self, threshold: float | None) -> Prediction:
        """Return the same by another threshold; a class has none."""
        return self


@dataclass
class AnomalyPrediction(Prediction):
    """Prediction of an anomaly model for one image.

    Attributes:
        score: Higher is more anomalous; None if it cannot be read.
        verdict: ``'good'`` or ``'defective'``; None without a threshold.
        anomaly_map: [h, w].
    """

    score: float | None = None
    verdict: str | None = None
    anomaly_map: np.ndarray | None = None

    FIELDS: ClassVar[tuple[str, ...]] = ('path', 'score', 'verdict', 'error')

    @classmethod
    def of(
        cls,
        path: str,
        score: float,
        threshold: float | None,
        anomaly_map: np.ndarray | None,
    ) -> AnomalyPrediction:
        """Judge a score [] by the threshold, if there is one."""
        verdict = None
        if threshold is not None:
            verdict = DEFECTIVE if calls_defective(score, threshold) else GOOD
        return cls(path, score=score, verdict=verdict, anomaly_map=anomaly_map)

    def at(self, threshold: float | None) -> AnomalyPrediction:
        """Judge the score by another threshold, if there is one."""
        if self.score is None:
            return self
        judged = self.of(self.path, self.score, threshold, self.anomaly_map)
        return replace(self, verdict=judged.verdict)

    def line(self) -> str:
        """Return score and verdict."""
        return f'{self.score:.4f}  {self.verdict or "–":9}'

    @staticmethod
    def summary(
        predictions: Sequence[Prediction], threshold: float | None
    ) -> str:
        """Count defective images, and name the threshold."""
        found = sum(p.row()['verdict'] == DEFECTIVE for p in predictions)
        broken = sum(not p.is_read for p in predictions)
        return f'{found} defective, {broken} not read; threshold {threshold}'

    @staticmethod
    def check_threshold(threshold: float) -> None:
        """Check a threshold of the command line.

        Raises:
            ValueError: If it is not finite.
        """
        if not math.isfinite(threshold):
            raise ValueError(
                'expected a finite threshold on image scores, got '
                f'the threshold {threshold}; leave it out for the one of '
                'the model file'
            )


@dataclass
class ClassPrediction(Prediction):
    """Prediction of a classifier for one image.

    Attributes:
        label: Name of the most probable class; None if the image cannot be
            read.
        probability: Probability of the class, in [0, 1].
        probabilities: Probabilities by the names of all classes.
    """

    label: str | None = None
    probability: float | None = None
    probabilities: dict[str, float] | None = None

    FIELDS: ClassVar[tuple[str, ...]] = (
        *('path', 'label', 'probability', 'probabilities', 'error'),
    )

    @classmethod
    def of(
        cls,
        path: str,
        probabilities: Sequence[float],
        index: int,
        classes: Sequence[str],
    ) -> ClassPrediction:
        """Name the most probable class, of an index."""
        return cls(
            path,
            label=classes[index],
            probability=probabilities[index],
            probabilities=dict(zip(classes, probabilities, strict=True)),
        )

    def line(self) -> str:
        """Return probability and class."""
        return f'{self.probability:.4f}  {self.label}'

    @staticmethod
    def summary(
        predictions: Sequence[Prediction], classes: Sequence[str]
    ) -> str:
        """Count the images of each class."""
        found = Counter(p.row()['label'] for p in predictions if p.is_read)
        broken = sum(not p.is_read for p in predictions)
        counts = [f'{found[name]} {name}' for name in classes]
        return ', '.join([*counts, f'{broken} not read'])

    @staticmethod
    def check_threshold(threshold: float) -> None:
        """Refuse a threshold of the command line.

        Raises:
            ValueError: Always: classifiers have none.
        """
        raise ValueError(
            'a classifier names the most probable class and has no '
            f'threshold, got the threshold {threshold}: leave it out, and '
            'choose by the probabilities in predictions.json'
        )


@dataclass
class BoxPrediction(Prediction):
    """Prediction of a detector for one image.

    Attributes:
        count: Number of boxes; None if the image cannot be read.
        label: Class of the box of the highest score; None without a box.
        score: Score of the box, in [0, 1].
        boxes: Each with ``label``, ``score`` and ``box``: x1, y1, x2, y2 in
            pixels of the upright image; the highest score first.
    """

    count: int | None = None
    label: str | None = None
    score: float | None = None
    boxes: list[dict[str, Any]] | None = None

    FIELDS: ClassVar[tuple[str, ...]] = (
        *('path', 'count', 'label', 'score', 'boxes', 'error'),
    )

    @classmethod
    def of(
        cls, path: str, boxes: Sequence[dict[str, Any]], threshold: float
    ) -> BoxPrediction:
        """Keep the boxes of a score of the threshold or more."""
        found = [box for box in boxes if box['score'] >= threshold]
        found.sort(key=lambda box: -box['score'])
        best = found[0] if found else {}
        return cls(
            path,
            count=len(found),
            label=best.get('label'),
            score=best.get('score'),
            boxes=found,
        )

    def at(self, threshold: float | None) -> BoxPrediction:
        """Keep the boxes of a higher threshold."""
        if self.boxes is None:
            return self
        found = self.of(self.path, self.boxes, threshold or 0.0)
        return replace(found, error=self.error, size=self.size, file=self.file)


def row_of(prediction: Prediction) -> dict[str, Any]:
    """Return the columns, and the size of the image's file."""
    return {**prediction.row(), 'size': prediction.size}


def csv_parts(
    columns: Sequence[str], rows: Iterable[Mapping[str, Any]]
) -> Iterator[bytes]:
    """Yield ``predictions.csv``, with names of files as they are.

    Args:
        columns: Columns of the table; others of a row are left out.
        rows: Rows, see :func:`row_of`; none stays in memory.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction='ignore')
    writer.writeheader()
    yield _taken(text)
    for row in rows:
        writer.writerow({key: _cell(value) for key, value in row.items()})
        yield _taken(text)


def json_parts(
    head: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]
) -> Iterator[bytes]:
    """Yield ``predictions.json``: what holds for all, then an image a line.

    Args:
        head: What holds for all.
        rows: Rows, see :func:`row_of`; none stays in memory.

    Example:
        >>> text = b''.join(json_parts({'root': 'a'}, [{'path': 'a/0.png'}]))
        >>> json.loads(text)
        {'root': 'a', 'images': [{'path': 'a/0.png'}]}
    """
    start, end = json.dumps({**head, 'images': [0]}, indent=2).rsplit('0', 1)
    yield start.rstrip().encode()
    comma = ''
    for row in rows:
        yield f'{comma}\n    {json.dumps(row)}'.encode()
        comma = ','
    yield (end if comma else end.lstrip()).encode() + b'\n'


def csv_table(
    columns: Sequence[str], predictions: Iterable[Prediction]
) -> bytes:
    """Return ``predictions.csv`` as a whole, see :func:`csv_parts`."""
    return b''.join(csv_parts(columns, map(row_of, predictions)))


def json_table(
    head: Mapping[str, Any], predictions: Iterable[Prediction]
) -> bytes:
    """Return ``predictions.json`` as a whole, see :func:`json_parts`."""
    return b''.join(json_parts(head, map(row_of, predictions)))


def _taken(text: io.StringIO) -> bytes:
    """Return what was written, and forget it."""
    # whatever the locale
    data = text.getvalue().encode('utf-8', 'surrogateescape')
    text.seek(0)
    text.truncate()
    return data


def _cell(value: Any) -> Any:
    """Return a value, lists and dicts as JSON text."""
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False)
    return value
