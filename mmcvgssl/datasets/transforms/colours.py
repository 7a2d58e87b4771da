"""A change of an image's colours, by tables."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import mmcv
import numpy as np

_COLOUR = (2, 3)  # saturation and hue among the steps
_LEVELS = np.arange(256, dtype=np.uint8)[None]  # [1, 256]


class Colours(NamedTuple):
    """What was drawn for the colours of an image.

    Args:
        order: Of brightness (0), contrast (1), saturation (2) and hue (3).
        amounts: Factors of the first three and turns of the hue; None: not
            changed.
    """

    order: tuple[int, ...]
    amounts: tuple[float | None, ...]

    def paint(self, image: np.ndarray) -> np.ndarray:
        """Return a BGR uint8 image [H, W, 3] with other colours."""
        blue, green, red = cv2.split(image)
        grey = np.array_equal(blue, green) and np.array_equal(green, red)
        changed = blue if grey else image
        steps = (_brightness, _contrast, _saturation, _hue)
        for i in self.order:
            amount = self.amounts[i]
            if amount is not None and not (grey and i in _COLOUR):
                changed = steps[i](changed, amount)
        return cv2.merge([changed] * 3) if grey else changed


def _brightness(image: np.ndarray, factor: float) -> np.ndarray:
    table = mmcv.adjust_brightness(_LEVELS, factor, backend='cv2')
    return cv2.LUT(image, table)


def _contrast(image: np.ndarray, factor: float) -> np.ndarray:
    grey = image
    if image.ndim == 3:
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    mean = np.full_like(_LEVELS, round(float(grey.mean())), dtype=np.float32)
    table = cv2.addWeighted(
        _LEVELS.astype(np.float32), factor, mean, 1 - factor, 0
    )
    # as mmcv, which cuts off what is behind the point
    return cv2.LUT(image, np.clip(table, 0, 255).astype(np.uint8))


def _saturation(image: np.ndarray, factor: float) -> np.ndarray:
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    grey = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    return cv2.addWeighted(image, factor, grey, 1 - factor, 0)


def _hue(image: np.ndarray, turns: float) -> np.ndarray:
    hsv: np.ndarray = cv2.cvtColor(image, cv2.COLOR_BGR2HSV_FULL)
    hsv[..., 0] += np.uint8(int(turns * 255) % 256)  # goes round at 256
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR_FULL)
