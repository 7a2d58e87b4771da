"""Files of self-training: the joined labels, a report and a picture."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mmcvgssl.apis.prediction.boxes import draw_boxes
from mmcvgssl.apis.prediction.captions import class_colour
from mmcvgssl.apis.prediction.classes import shown_name
from mmcvgssl.apis.self_training.detections import Detections
from mmcvgssl.apis.self_training.inputs import Labels
from mmcvgssl.apis.self_training.joining import Joined
from mmcvgssl.datasets.reading import read_image
from mmcvgssl.maps.box_files import Outputs
from mmcvgssl.provenance import make_room
from mmcvgssl.utils import evenly
from mmcvgssl.visualization.contact_sheet import contact_sheet

JOINED, REPORT, SHEET = 'annotations.json', 'report.json', 'boxes.jpg'
_SIDE, _MOST = 240, 32  # pixels of a picture on the sheet, and their number


def write_joined(
    out: Path,
    joined: Joined,
    found: Mapping[str, Detections],
    root: Path,
    reading: Mapping[str, Any],
    report: Mapping[str, Any],
    truth: Labels,
) -> list[str]:
    """Write all files; those of other boxes move to ``earlier``.

    Args:
        out: Folder.
        joined: What is written.
        found: Boxes by path.
        root: Folder of the images.
        reading: Options of :func:`read_image`.
        report: What ``report.json`` holds.
        truth: The true labels.

    Returns:
        Paths of the files, the COCO file first.

    Raises:
        OSError: If a file cannot be written, saying which ones were.
    """
    pictures = _pictures(joined, found, root, reading, truth.classes)
    sheet = contact_sheet(pictures, _SIDE)
    files = {
        JOINED: _json(joined.content),
        SHEET: cv2.imencode('.jpg', sheet)[1].tobytes(),
        # written last: if it exists, all files exist
        REPORT: _json(report),
    }
    make_room(out, files, f'the boxes joined in {out}')
    outputs = Outputs()
    for name, data in files.items():
        outputs.write(out / name, data)
    return outputs.written


def _json(value: Any) -> bytes:
    return f'{json.dumps(value, ensure_ascii=False)}\n'.encode()


def _pictures(
    joined: Joined,
    found: Mapping[str, Detections],
    root: Path,
    reading: Mapping[str, Any],
    classes: list[str],
) -> Iterator[np.ndarray]:
    """Draw boxes that joined over some images, evenly chosen."""
    paths = list(joined.boxes)
    for number in evenly(len(paths), _MOST):
        path = paths[number]
        own = found[path]
        frames = [
            (
                own.boxes[row].tolist(),
                f'{shown_name(classes, int(own.labels[row]))} '
                f'{own.scores[row]:.2f}',
                class_colour(int(own.labels[row])),
            )
            for row in joined.boxes[path][::-1]
        ]
        picture = read_image(str(root / path), input_size=_SIDE, **reading)
        scale = _SIDE / max(picture.shape[:2])
        size = [max(1, round(n * scale)) for n in picture.shape[1::-1]]
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        yield draw_boxes(small, own.size, frames=frames)
