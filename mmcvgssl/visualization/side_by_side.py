"""Pictures of one image side by side, and what a mask marks on it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

_GAP = 4  # pixels between pictures
_WIDE = 4  # from which on pictures stand below each other
_OUTLINE = (80, 230, 80)  # BGR


def side_by_side(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Lay pictures of one image side by side, wide ones below each other.

    Args:
        pictures: uint8 [h, w, 3], at least one; others are resized to the
            first.

    Returns:
        uint8 [H, W, 3].

    Example:
        >>> side_by_side([np.zeros((8, 6, 3), np.uint8)] * 2).shape
        (8, 16, 3)
    """
    first = pictures[0]
    height, width = first.shape[:2]
    axis = 0 if width > _WIDE * height else 1
    shape = (_GAP, width, 3) if axis == 0 else (height, _GAP, 3)
    gap = np.full(shape, 255, np.uint8)
    rows: list[np.ndarray] = []
    for picture in pictures:
        same = picture
        if picture.shape != first.shape:
            same = cv2.resize(
                picture, (width, height), interpolation=cv2.INTER_AREA
            )
        rows += [gap, same] if rows else [same]
    return np.concatenate(rows, axis)


def outlined(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Outline in green on a picture what a mask marks.

    Args:
        picture: uint8 [h, w, 3].
        mask: [H, W] of any size, nonzero is marked.

    Returns:
        uint8 [h, w, 3].

    Example:
        >>> picture, mask = np.zeros((4, 4, 3), np.uint8), np.eye(8)
        >>> outlined(picture, mask).any(axis=2).diagonal().all()
        np.True_
    """
    height, width = picture.shape[:2]
    # what is marked stays so where the mask shrinks
    small = cv2.resize(
        (np.asarray(mask) > 0).astype(np.float32),
        (width, height),
        interpolation=cv2.INTER_AREA,
    )
    edges, _ = cv2.findContours(
        (small > 0).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    drawn = picture.copy()
    cv2.drawContours(drawn, edges, -1, _OUTLINE, 1)
    return drawn
