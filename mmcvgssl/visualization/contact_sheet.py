"""Small pictures of images on one sheet, each with its number."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import cv2
import numpy as np

_GAP = 4  # pixels between pictures
_GROUND = (255, 255, 255)
_COLUMNS = 8  # at least, where there are as many pictures


def contact_sheet(
    pictures: Iterable[np.ndarray], side: int = 160
) -> np.ndarray:
    """Lay pictures out row by row, with their numbers from 1.

    Args:
        pictures: BGR uint8 [h, w, 3]; of an iterator, one at a time is in
            memory.
        side: Longest side of a picture on the sheet, pixels.

    Returns:
        BGR uint8 [H, W, 3].

    Raises:
        ValueError: If there is no picture.

    Example:
        >>> import numpy as np
        >>> contact_sheet([np.zeros((8, 16, 3), np.uint8)] * 3).shape
        (168, 496, 3)
    """
    fitted = [_fit(picture, side) for picture in pictures]
    if not fitted:
        raise ValueError('expected pictures for a contact sheet, got none')
    count = len(fitted)
    columns = min(count, max(_COLUMNS, math.ceil(math.sqrt(count))))
    for number, small in enumerate(fitted, 1):
        _write_number(small, number)
    return lay_out(fitted, side, columns, _GAP)


def lay_out(
    pictures: Sequence[np.ndarray], side: int, columns: int, gap: int = 0
) -> np.ndarray:
    """Lay pictures out row by row, each in the middle of its cell.

    Args:
        pictures: BGR uint8 [h, w, 3], of ``side`` pixels at most; without
            one, a row is empty.
        side: Side of a cell, pixels.
        columns: Number of cells in a row.
        gap: Pixels between cells and around them.

    Returns:
        BGR uint8 [H, W, 3].

    Example:
        >>> import numpy as np
        >>> lay_out([np.zeros((8, 4, 3), np.uint8)] * 3, 8, 2).shape
        (16, 16, 3)
    """
    step = side + gap
    rows = max(math.ceil(len(pictures) / columns), 1)
    shape = (rows * step + gap, columns * step + gap)
    sheet = np.full((*shape, 3), _GROUND, np.uint8)
    for i, picture in enumerate(pictures):
        height, width = picture.shape[:2]
        y = gap + i // columns * step + (side - height) // 2
        x = gap + i % columns * step + (side - width) // 2
        sheet[y : y + height, x : x + width] = picture
    return sheet


def _fit(picture: np.ndarray, side: int) -> np.ndarray:
    scale = side / max(picture.shape[:2])
    height, width = (max(1, round(n * scale)) for n in picture.shape[:2])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    return cv2.resize(picture, (width, height), interpolation=how)


def _write_number(picture: np.ndarray, number: int) -> None:
    """Write a number into the upper left corner, dark on a light ground."""
    text, font, size = str(number), cv2.FONT_HERSHEY_SIMPLEX, 0.5
    (width, height), below = cv2.getTextSize(text, font, size, 1)
    corner = width + 4, height + below + 2
    cv2.rectangle(picture, (0, 0), corner, _GROUND, cv2.FILLED)
    cv2.putText(
        picture,
        text,
        (2, height + 3),
        font,
        size,
        (0, 0, 0),
        1,
        cv2.LINE_AA,
    )
