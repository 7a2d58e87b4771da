"""Turning stored pixels upright."""

from __future__ import annotations

import cv2
import numpy as np

# by the number of the orientation tag: whether rows become columns, and the
# axes that are mirrored after that
_TURNS: dict[int, tuple[bool, tuple[int, ...]]] = {
    2: (False, (1,)),
    3: (False, (0, 1)),
    4: (False, (0,)),
    5: (True, ()),
    6: (True, (1,)),
    7: (True, (0, 1)),
    8: (True, (0,)),
}
_OPENCV = {(0,): 0, (1,): 1, (0, 1): -1}


def valid_orientation(tag: object) -> int:
    """Return the number of an orientation tag; 1 if it is none."""
    return tag if isinstance(tag, int) and tag in _TURNS else 1


def upright_size(stored: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Return width and height after the turn."""
    sideways = orientation in _TURNS and _TURNS[orientation][0]
    return stored[::-1] if sideways else stored


def turn(values: np.ndarray, orientation: int) -> np.ndarray:
    """Turn stored pixels upright.

    Args:
        values: [H, W] or [H, W, C].
        orientation: Value of the EXIF tag, 1 to 8.
    """
    if orientation not in _TURNS:
        return values
    transposed, axes = _TURNS[orientation]
    if values.dtype == np.uint8:  # several times as fast
        values = cv2.transpose(values) if transposed else values
        return cv2.flip(values, _OPENCV[axes]) if axes else values
    values = values.swapaxes(0, 1) if transposed else values
    return np.ascontiguousarray(np.flip(values, axes))
