"""Anomaly scores as weights of images."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

from mmcvgssl.apis.predict import Predictor
from mmcvgssl.datasets.text_lists import read_text
from mmcvgssl.maps.writer import relative_path
from mmcvgssl.model_file import is_model_file
from mmcvgssl.provenance import RECORD, Provenance
from mmcvgssl.utils import printable, read_json, some

_MIDDLE = 0.5  # weight of what has no score, as it cannot be read


def score_weights(
    source: str | Path,
    root: Path,
    paths: Sequence[str],
    device: str | None = None,
    workers: int | None = None,
) -> np.ndarray:
    """Return ranks of anomaly scores in (0, 1], the most anomalous 1.

    Args:
        source: ``predictions.json`` or ``predictions.csv`` of
            mmcvgssl predict, or the model file of an anomaly model, which
            predicts the images.
        root: Folder of the images.
        paths: Images, relative to it.
        device: Device of the model.
        workers: Processes that read images for it.

    Returns:
        Weights [n]; images that cannot be read weigh 0.5.

    Raises:
        FileNotFoundError: If the file is missing.
        ValueError: If it is something else, has no score of an image, or
            has those of other images than are there now.
    """
    source = Path(source)
    if not source.is_file():
        raise FileNotFoundError(
            f'expected predictions.json, predictions.csv or a model file with '
            f'anomaly scores, found no {source}'
        )
    if is_model_file(source):
        found = _predict(source, root, paths, device, workers)
    elif source.suffix == '.json':
        home, found = _read_json(source)
        _check_images(source, home, root, paths)
    elif source.suffix == '.csv':
        found = _read_csv(source, root)
        _check_images(source, root, root, paths)
    else:
        raise ValueError(
            f'{source}: expected anomaly scores in predictions.json or '
            'predictions.csv of mmcvgssl predict, or a model file of '
            'mmcvgssl fit'
        )
    without = [path for path in paths if path not in found]
    if without:
        raise ValueError(
            f'{source}: no score of {some(map(printable, without), "image")} '
            f'of {len(paths)}: predict all images of {root} by '
            'mmcvgssl predict, from the same folder'
        )
    scores = np.array([found[path] for path in paths])
    weights = np.full(len(scores), _MIDDLE)
    read = ~np.isnan(scores)
    if read.any():
        weights[read] = rankdata(scores[read]) / read.sum()
    return weights


def _predict(
    source: Path,
    root: Path,
    paths: Sequence[str],
    device: str | None,
    workers: int | None,
) -> dict[str, float]:
    predictor = Predictor(source, device=device, workers=workers)
    if not predictor.kind.has_maps:
        raise ValueError(
            f'{source} is a {predictor.content.kind} model: expected an '
            'anomaly model, which has scores'
        )
    found = {}
    made = predictor([root / path for path in paths])
    for path, prediction in zip(paths, made, strict=True):
        score = prediction.row()['score']
        found[path] = math.nan if score is None else score
    return found


def _check_images(
    source: Path, home: Path, root: Path, paths: Sequence[str]
) -> None:
    """Refuse scores of other images that have the same names."""
    record = Provenance.read(source.parent / RECORD)
    states = None if record is None else record.files.get('images')
    if states is not None:
        other = [
            path
            for path in paths
            if path in states and not states[path].holds(root / path)
        ]
    else:
        other = [] if home.resolve() == root.resolve() else list(paths)
    if other:
        raise ValueError(
            f'{source}: no score of {some(map(printable, other), "image")} '
            f'of {len(paths)} as they are now, but of others of these names: '
            f'predict all images of {root} by mmcvgssl predict'
        )


def _read_json(source: Path) -> tuple[Path, dict[str, float]]:
    content = read_json(source)
    try:
        root = str(content['root'])
        rows = [
            (relative_path(str(row['path']), root), row['score'], row['error'])
            for row in content['images']
        ]
        found = {path: _score(score, bool(e)) for path, score, e in rows}
        return Path(root), found
    except (KeyError, TypeError, ValueError) as error:
        raise _refusal(source, error) from error


def _read_csv(source: Path, root: Path) -> dict[str, float]:
    rows = csv.DictReader(io.StringIO(read_text(source)))
    try:
        return {
            relative_path(row['path'], str(root)): _score(
                row['score'] or None, bool(row['error'])
            )
            for row in rows
        }
    except (KeyError, TypeError, ValueError) as error:
        raise _refusal(source, error) from error


def _score(value: Any, failed: bool) -> float:
    """Return a score; NaN of what could not be read."""
    if value is None and failed:
        return math.nan
    score = float(value)
    if not math.isfinite(score):
        raise ValueError(f'a score is {value!r}')
    return score


def _refusal(source: Path, error: Exception) -> ValueError:
    return ValueError(
        f'{source}: expected a path, a score and an error of each image, as '
        f'mmcvgssl predict writes them of an anomaly model, but '
        f'{type(error).__name__}: {error}'
    )
