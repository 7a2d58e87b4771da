"""From an image file to the input of an exported model.

Needs neither torch nor a host.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from mmcvgssl.datasets.reading import UnreadableImageError
from mmcvgssl.datasets.tiles import TileGrid
from mmcvgssl.export.metadata import ExportedFileError, Metadata
from mmcvgssl.export.placement import pad_corner, scaled_size

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
        steps: Steps of the metadata: ``resize`` and ``fit`` by OpenCV, see
            :func:`~mmcvgssl.export.placement.scaled_size`; ``pad`` with a
            ``value``; ``shape``, which refuses images of another one;
            ``tiles``, which what follows is done to.

    Returns:
        RGB uint8 [height, width, 3], or [T, height, width, 3] of T tiles.

    Raises:
        UnreadableImageError: If it is too thin for the input, or of another
            shape.
    """
    grid = grid_of(picture.shape[:2], steps)
    rest = [step for step in steps if step['step'] != 'tiles']
    if grid is None:
        return _prepare(picture, rest)
    height, width = grid.tile
    return np.stack(
        [
            _prepare(picture[y : y + height, x : x + width], rest)
            for y, x in grid
        ]
    )


def grid_of(
    size: Sequence[int], steps: Sequence[Mapping[str, Any]]
) -> TileGrid | None:
    """Return where the tiles of a picture lie, if steps cut it into some.

    Args:
        size: Height and width of the picture, pixels.
        steps: Steps of the metadata.
    """
    for step in steps:
        if step['step'] == 'tiles':
            return TileGrid.over(size, step['tile'], step['overlap'])
    return None


def _prepare(
    picture: np.ndarray, steps: Sequence[Mapping[str, Any]]
) -> np.ndarray:
    for step in steps:
        do = _STEPS.get(step['step'])
        if do is None:
            raise ExportedFileError(
                f'expected steps {", ".join(_STEPS)} or tiles, got '
                f'{step!r:.80}; install the version of mmcvgssl that wrote '
                'the file'
            )
        picture = do(picture, step)
    return np.ascontiguousarray(picture[..., ::-1])


def _resize(picture: np.ndarray, step: Mapping[str, Any]) -> np.ndarray:
    before = picture.shape[0], picture.shape[1]
    height, width = scaled_size(before, step)
    name = step['interpolation']
    if step['step'] == 'fit':
        if (height, width) == before:
            return picture
        name = name[0 if height < before[0] or width < before[1] else 1]
    if min(height, width) < 1:
        raise UnreadableImageError(
            f'expected an image of which a row and a column are left within '
            f'{step["height"]} x {step["width"]} pixels, got one of '
            f'{before[0]} x {before[1]}; cut it into parts'
        )
    return cv2.resize(
        picture, (width, height), interpolation=INTERPOLATIONS[name]
    )


def _pad(picture: np.ndarray, step: Mapping[str, Any]) -> np.ndarray:
    height, width = picture.shape[:2]
    y, x = pad_corner((height, width), step)
    size = int(step['height']), int(step['width'])
    made = np.full((*size, 3), step['value'], np.uint8)
    made[y : y + height, x : x + width] = picture
    return made


def _shape(picture: np.ndarray, step: Mapping[str, Any]) -> np.ndarray:
    size = picture.shape[0], picture.shape[1]
    expected = int(step['height']), int(step['width'])
    if size != expected:
        raise UnreadableImageError(
            'expected an image of the shape that the model was exported for, '
            f'{expected[0]} x {expected[1]} pixels once it is resized, got '
            f'one of {size[0]} x {size[1]}; export the model once more, with '
            'images of this shape as --images'
        )
    return picture


_STEPS: Mapping[str, Callable[[np.ndarray, Mapping[str, Any]], np.ndarray]] = {
    'resize': _resize,
    'fit': _resize,
    'pad': _pad,
    'shape': _shape,
}


def picture_of(height: int, width: int) -> np.ndarray:
    """Return the picture of a test vector, BGR uint8 [height, width, 3].

    Its value at row y, column x and channel c is
    ``(x * x + 3 * y * y + 7 * x * y + 50 * c) % 251``.
    """
    y, x, c = np.ogrid[:height, :width, :3]
    values = (x * x + 3 * y * y + 7 * x * y + 50 * c) % 251
    return values.astype(np.uint8)


def make_vectors(steps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return pictures and the SHA-256 of what the steps make of them.

    The step ``shape`` is left out, as it changes nothing.
    """
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
    changing = [step for step in steps if step['step'] != 'shape']
    made = prepare(picture_of(height, width), changing)
    return hashlib.sha256(made.tobytes()).hexdigest()
