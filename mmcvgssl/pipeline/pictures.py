"""Pictures of a pipeline's report."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.figure import Figure
from mmengine.logging import MMLogger

from mmcvgssl.datasets.reading import UnreadableImageError, read_image
from mmcvgssl.pipeline.inputs import Inputs
from mmcvgssl.utils import evenly
from mmcvgssl.visualization.box_preview import draw_box
from mmcvgssl.visualization.contact_sheet import lay_out

COLUMNS, ROWS, SIDE = 4, 3, 320
# detections with a higher score are drawn
DRAWN_CONFIDENCE = 0.3
# BGR, one for each category in turn
COLOURS = (
    *((255, 255, 0), (0, 165, 255), (0, 255, 0)),
    *((255, 0, 255), (0, 255, 255), (255, 128, 128)),
)


def contact_sheet(files: Sequence[Path]) -> bytes:
    """Return some pictures, evenly over the files, as one JPEG."""
    chosen = evenly(len(files), COLUMNS * ROWS)
    read = [_read(files[i], {}) for i in chosen]
    return _sheet([image for image in read if image is not None])


def draw_detections(
    file: Path, inputs: Inputs, reading: Mapping[str, Any]
) -> bytes:
    """Return truth (left) and detections (right) of test images as a JPEG.

    Args:
        file: Detections as mmdet's COCO metric writes them.
        inputs: Holds the truth.
        reading: How the test reads images, for :func:`read_image`.
    """
    truth: Mapping[str, Any] = inputs.test or {}
    labels = {c['id']: i for i, c in enumerate(truth['categories'])}
    boxes: dict[Any, list] = {}
    for box in truth['annotations']:
        boxes.setdefault(box['image_id'], []).append(
            (labels[box['category_id']], box['bbox'], None)
        )
    found: dict[Any, list] = {}
    for box in json.loads(file.read_text('utf-8')):
        if box['score'] > DRAWN_CONFIDENCE:
            # the metric numbers categories by their position
            found.setdefault(box['image_id'], []).append(
                (box['category_id'], box['bbox'], box['score'])
            )
    shown = [image for image in truth['images'] if image['id'] in boxes]
    shown = shown or truth['images']  # good ones alone, with false alarms
    pictures = []
    for i in evenly(len(shown), COLUMNS // 2 * ROWS):
        image = _read(inputs.root / shown[i]['file_name'], reading)
        if image is None:
            continue
        key = shown[i]['id']
        pictures += [
            _draw(image, boxes.get(key, []), inputs.classes),
            _draw(image, found.get(key, []), inputs.classes),
        ]
    return _sheet(pictures)


def _read(file: Path, reading: Mapping[str, Any]) -> np.ndarray | None:
    """Read a picture to show; one that cannot be read is named, not shown."""
    try:
        return read_image(str(file), **reading)
    except UnreadableImageError as error:
        MMLogger.get_current_instance().warning(f'not shown: {error}')
        return None


def plot_losses(
    losses: Mapping[str, Sequence[tuple[int, float]]],
) -> bytes:
    """Return the losses of all trainings as a PNG."""
    shown = {name: rows for name, rows in losses.items() if rows}
    figure = Figure(figsize=(4 * len(shown), 3), layout='constrained')
    for number, (name, rows) in enumerate(shown.items(), 1):
        axes = figure.add_subplot(1, len(shown), number)
        axes.plot(*zip(*rows, strict=True))
        axes.set(title=name, xlabel='step', ylabel='loss', yscale='log')
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=120, format='png')
    return buffer.getvalue()


def _draw(
    image: np.ndarray,
    boxes: Sequence[tuple[int, Sequence[float], float | None]],
    names: Sequence[str],
) -> np.ndarray:
    """Draw label, box [x, y, w, h] and score over a scaled image."""
    drawn, scale = _scaled(image)
    for label, (x, y, w, h), score in boxes:
        colour = COLOURS[label % len(COLOURS)]
        corners = np.array([x, y, x + w, y + h]) * scale
        x1, y1 = draw_box(drawn, corners, colour, 2)
        text = names[label] if score is None else f'{names[label]} {score:.2f}'
        cv2.putText(
            drawn,
            text,
            (x1 + 3, y1 + 14),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.45,
            colour,
            1,
            cv2.LINE_AA,
        )
    return drawn


def _sheet(pictures: Sequence[np.ndarray]) -> bytes:
    small = [_scaled(picture)[0] for picture in pictures]
    sheet = lay_out(small, SIDE, COLUMNS)
    return cv2.imencode('.jpg', sheet)[1].tobytes()


def _scaled(picture: np.ndarray) -> tuple[np.ndarray, float]:
    """Bring the longer side to ``SIDE``, filtered where it shrinks."""
    scale = SIDE / max(picture.shape[:2])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    size = [max(1, round(side * scale)) for side in picture.shape[1::-1]]
    return cv2.resize(picture, size, interpolation=how), scale
