"""mmpretrain's colour jitter by tables."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import mmcv
import numpy as np
from mmpretrain.datasets.transforms import ColorJitter

from mmcvgssl.registry import TRANSFORMS

COLOUR = (2, 3)  # saturation and hue among the steps
LEVELS = np.arange(256, dtype=np.uint8)[None]  # [1, 256]


@TRANSFORMS.register_module()
class FastColorJitter(ColorJitter):
    """mmpretrain's ``ColorJitter``, its OpenCV results in a third of the time.

    A change of single values is worked out for the 256 that there are, not
    for each pixel, and bytes stay bytes. Options, random numbers and results
    are those of ``ColorJitter(backend='cv2')``.

    **Required keys:** img (BGR uint8 [H, W, 3]). **Modified keys:** img.

    Args:
        brightness: Brightness of ``ColorJitter``: a number, or a range of
            factors.
        contrast: Largest change of contrast, or a range of factors.
        saturation: Largest change of saturation, or a range of factors.
        hue: Largest turn of the hue in [0, 0.5], or a range in [-0.5, 0.5].

    Example:
        >>> jitter = TRANSFORMS.build(
        ...     dict(type='mmcvgssl.FastColorJitter', brightness=0.2)
        ... )
        >>> image = np.full((8, 8, 3), 128, np.uint8)
        >>> jitter(dict(img=image))['img'].dtype
        dtype('uint8')
    """

    def __init__(
        self,
        brightness: float | tuple[float, float] = 0.0,
        contrast: float | tuple[float, float] = 0.0,
        saturation: float | tuple[float, float] = 0.0,
        hue: float | tuple[float, float] = 0.0,
    ) -> None:
        super().__init__(brightness, contrast, saturation, hue, 'cv2')

    def transform(self, results: dict) -> dict:
        """Jitter ``results['img']``."""
        results['img'] = self.jitter(results['img'])
        return results

    def jitter(self, image: np.ndarray) -> np.ndarray:
        """Return a BGR uint8 image [H, W, 3] with other colours."""
        order, *amounts = self._rand_params()
        blue, green, red = cv2.split(image)
        grey = np.array_equal(blue, green) and np.array_equal(green, red)
        changed = blue if grey else image
        steps = (_brightness, _contrast, _saturation, _hue)
        for i in order:
            if amounts[i] is not None and not (grey and i in COLOUR):
                changed = steps[i](changed, amounts[i])
        return cv2.merge([changed] * 3) if grey else changed


def jitter_of(amount: float | Mapping) -> FastColorJitter:
    """Build a jitter of one amount for all, or of the options given."""
    if isinstance(amount, Mapping):
        return FastColorJitter(**amount)
    return FastColorJitter(amount, amount, amount, amount)


def _brightness(image: np.ndarray, factor: float) -> np.ndarray:
    table = mmcv.adjust_brightness(LEVELS, factor, backend='cv2')
    return cv2.LUT(image, table)


def _contrast(image: np.ndarray, factor: float) -> np.ndarray:
    grey = image
    if image.ndim == 3:
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    mean = np.full_like(LEVELS, round(float(grey.mean())), dtype=np.float32)
    table = cv2.addWeighted(
        LEVELS.astype(np.float32), factor, mean, 1 - factor, 0
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
