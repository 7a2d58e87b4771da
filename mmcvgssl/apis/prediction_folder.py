"""Predicting a folder: what is written, whatever one image is like."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2

from mmcvgssl.apis.predict import (
    OneClassPredictor,
    Prediction,
    find_images,
    overlay,
)
from mmcvgssl.datasets import contents as why
from mmcvgssl.datasets.contents import Contents
from mmcvgssl.datasets.files import MARK
from mmcvgssl.datasets.reading import UnreadableImageError, read_image
from mmcvgssl.locks import locked
from mmcvgssl.provenance import (
    FileState,
    FileTable,
    Provenance,
    of_config,
    of_versions,
    settle,
)
from mmcvgssl.utils import atomic_write, printable, with_suffix_added

FIELDS = ('path', 'score', 'verdict', 'error')
OVERLAYS = 'overlays'  # folder of pictures
PARTIAL = 'predictions.partial.jsonl'  # as long as the others are missing


def predict_to_folder(
    predictor: OneClassPredictor,
    path: str | Path,
    out: str | Path,
    contents: Contents | None = None,
) -> list[Prediction]:
    """Predict an image or a folder and write what was found.

    ``predictions.csv`` and ``predictions.json`` hold scores and verdicts,
    ``overlays/`` an image with its heatmap under each image's own path with
    ``.png`` added; a name that would be too long is shortened. An image that
    cannot be read, or whose overlay cannot be drawn or written, has its
    reason as ``error``. Results are appended to
    ``predictions.partial.jsonl`` as they come: that is what a run leaves
    that does not come to its end. Predictions of other images, or by another
    model, are moved to the folder ``earlier``.

    Args:
        predictor: Model and transforms.
        path: Image or folder.
        out: Where files go.
        contents: Is told what the folder holds.

    Raises:
        FileNotFoundError: If there is no such image or folder.
        UnreadableImageError: If no image can be read; the files are written
            before.
        ValueError: If the folder holds no image.
        ProvenanceError: If the folder holds predictions that do not say what
            they are of.
        FolderInUseError: If another run writes there.
    """
    out = Path(out)
    told = contents if contents is not None else Contents(str(path))
    images = find_images(path, out / OVERLAYS, told)
    root = Path(path) if Path(path).is_dir() else Path(path).parent
    odd = told.left_out.pop(why.ODD_NAME, [])
    told.kept = {'images': len(images) + len(odd)}
    predictions = [_refuse_name(root / name) for name in odd]
    with locked(out):
        _make_room(predictor, root, images, out)
        predictions += _predict_all(predictor, images, root, out)
        _write(predictor, predictions, out, told)
        (out / PARTIAL).unlink()
    if all(p.score is None for p in predictions):
        raise UnreadableImageError(
            f'none of {len(predictions)} images can be read; '
            f'{predictions[0].error}'
        )
    return predictions


def _make_room(
    predictor: OneClassPredictor, root: Path, images: list[Path], out: Path
) -> None:
    """Move predictions of other images, or by another model, aside."""
    model = predictor.model
    names = []
    for path in images:
        try:
            FileState.of(path)
        except OSError:  # said when it is to be read
            continue
        names.append(path.relative_to(root).as_posix())
    ours = Provenance(
        {
            'model': model.fingerprint(),
            'threshold': model.threshold,
            'map_threshold': model.map_threshold,
            'reading': of_config(predictor.reading),
        },
        {'images': FileTable.of(root, names)},
    ) | of_versions(model.settings)
    results = ['predictions.*']
    if any(out.glob(results[0])):
        results.append(OVERLAYS)
    settle(ours, out, results, f'the predictions in {out}')


def _predict_all(
    predictor: OneClassPredictor, images: list[Path], root: Path, out: Path
) -> list[Prediction]:
    predictions = []
    atomic_write(out / OVERLAYS / MARK, b'')
    with (out / PARTIAL).open('w', encoding='utf-8') as lines:
        for prediction in _predict(predictor, images, root, out):
            predictions.append(prediction)
            lines.write(f'{json.dumps(_row(prediction))}\n')
            lines.flush()
    return predictions


def _predict(
    predictor: OneClassPredictor, images: list[Path], root: Path, out: Path
) -> Iterator[Prediction]:
    map_threshold = predictor.model.map_threshold or 0.0
    for prediction in predictor(images):
        if prediction.anomaly_map is not None:
            inner = Path(prediction.path).relative_to(root)
            file = out / OVERLAYS / with_suffix_added(str(inner), '.png')
            try:
                image = read_image(prediction.path, **predictor.reading)
                picture = overlay(image, prediction.anomaly_map, map_threshold)
                atomic_write(file, cv2.imencode('.png', picture)[1].tobytes())
            except OSError as error:  # the score is right all the same
                prediction.error = f'no overlay {file}: {error}'
            prediction.anomaly_map = None  # a folder may be large
        yield prediction


def _refuse_name(path: Path) -> Prediction:
    shown = printable(str(path))
    return Prediction(
        shown,
        error=f'{shown}: {why.ODD_NAME}; rename the file: UTF-8, no tab '
        'and no line break',
    )


def _row(prediction: Prediction) -> dict[str, Any]:
    return {key: getattr(prediction, key) for key in FIELDS}


def _write(
    predictor: OneClassPredictor,
    predictions: list[Prediction],
    out: Path,
    contents: Contents,
) -> None:
    rows = [_row(prediction) for prediction in predictions]
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS)
    writer.writeheader()
    writer.writerows(rows)
    atomic_write(out / 'predictions.csv', text.getvalue().encode())
    held = {
        'category': predictor.content.category,
        'threshold': predictor.model.threshold,
        'chosen': predictor.model.chosen,
        'map_threshold': predictor.model.map_threshold,
        'contents': contents.as_dict(),
        'images': rows,
    }
    atomic_write(
        out / 'predictions.json', f'{json.dumps(held, indent=2)}\n'.encode()
    )
