"""Colours of more than 8 bits, which Pillow squeezes."""

from __future__ import annotations

import cv2
import numpy as np


def by_opencv(data: bytes, page: int = 0) -> np.ndarray:
    """Decode a file as it lies, [H, W] or BGR [H, W, 3], at its own depth.

    Raises:
        ValueError: If OpenCV cannot.
    """
    flags = (
        cv2.IMREAD_ANYDEPTH
        | cv2.IMREAD_ANYCOLOR
        | cv2.IMREAD_IGNORE_ORIENTATION
    )
    encoded = np.frombuffer(data, np.uint8)
    try:
        if page:
            found, pages = cv2.imdecodemulti(encoded, flags)
            values = pages[page] if found and page < len(pages) else None
        else:
            values = cv2.imdecode(encoded, flags)
    except cv2.error as error:
        raise ValueError(f'OpenCV: {error.err}') from error
    if values is None:
        raise ValueError('OpenCV cannot decode it')
    return values


def cmyk_to_bgr(inks: np.ndarray) -> np.ndarray:
    """Mix inks [H, W, 4], of which the largest value is full, to BGR."""
    if inks.dtype.kind == 'f':
        return (1 - inks[..., 2::-1]) * (1 - inks[..., 3:])
    full = np.iinfo(inks.dtype).max
    share = inks.astype(np.float64) / full
    bgr = (1 - share[..., 2::-1]) * (1 - share[..., 3:])
    return np.rint(bgr * full).astype(inks.dtype)
