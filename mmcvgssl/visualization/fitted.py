"""Pictures that are small enough to be shown."""

from __future__ import annotations

import cv2
import numpy as np


def fitted(picture: np.ndarray, side: int) -> np.ndarray:
    """Shrink a picture to a longer side of this at most, in pixels."""
    scale = side / max(picture.shape[:2])
    if scale >= 1:
        return picture
    size = [max(1, round(n * scale)) for n in picture.shape[1::-1]]
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
