"""From an image file to the input of an exported model.

Needs neither torch nor a host.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from mmcvgssl.export.metadata import ExportedFileError, Metadata

# as mmcv names them
INTERPOLATIONS: Mapping[str, int] = {
    'nearest': cv2.INTER_NEAREST,
    'bilinear': cv2.INTER_LINEAR,
    'bicubic': cv2.INTER_CUBIC,
    'area': cv2.INTER_AREA,
    'lanczos': cv2.INTER_LANCZOS4,
}
# height and width of the pictures that show how steps round
_PICTURES = ((97, 61), (20, 33))


def prepare(
    picture: np.ndarray, steps: Sequence[Mapping[str, Any]]
) -> np.ndarray:
    """Bring a picture to the input of an exported model.

    Args:
        picture: BGR uint8 [H, W, 3].
        steps: Steps of the metadata: ``resize`` to ``width`` and ``height``
            by OpenCV's ``interpolation``.

    Returns:
        RGB uint8 [height, width, 3].
    """
    for step in steps:
        if step.get('step') != 'resize':
            raise ExportedFileError(
                f'expected steps of kind resize, got {step!r:.80}; install '
                'the version of mmcvgssl that wrote the file'
            )
        size = (int(step['width']), int(step['height']))
        mode = INTERPOLATIONS[step['interpolation']]
        picture = cv2.resize(picture, size, interpolation=mode)
    return np.ascontiguousarray(picture[..., ::-1])


def picture_of(height: int, width: int) -> np.ndarray:
    """Return the picture of a test vector, BGR uint8 [height, width, 3].

    Its value at row y, column x and channel c is
    ``(x * x + 3 * y * y + 7 * x * y + 50 * c) % 251``.
    """
    y, x, c = np.ogrid[:height, :width, :3]
    values = (x * x + 3 * y * y + 7 * x * y + 50 * c) % 251
    return values.astype(np.uint8)


def make_vectors(steps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return pictures and the SHA-256 of what the steps make of them."""
    return [
        {
            'height': height,
            'width': width,
            'sha256': _digest(height, width, steps),
        }
        for height, width in _PICTURES
    ]


def differences(metadata: Metadata) -> str:
    """Say whether this OpenCV resizes otherwise than the exporting one.

    Args:
        metadata: Metadata of an exported file.

    Returns:
        The warning; empty if pictures are resized to the same values.
    """
    for vector in metadata.vectors:
        size = vector['height'], vector['width']
        if _digest(*size, metadata.steps) != vector['sha256']:
            return (
                f'OpenCV {cv2.__version__} of this machine resizes otherwise '
                f'than {metadata.made_with.get("opencv")}, by which the file '
                'was checked: scores may differ in their last digits'
            )
    return ''


def _digest(
    height: int, width: int, steps: Sequence[Mapping[str, Any]]
) -> str:
    made = prepare(picture_of(height, width), steps)
    return hashlib.sha256(made.tobytes()).hexdigest()
