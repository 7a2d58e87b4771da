"""One view of an image: a crop, and what changes it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform, Resize
from torch import Tensor

from mmcvgssl.datasets.views.canvas import Canvas
from mmcvgssl.datasets.views.steps import (
    UnknownStepError,
    draw_all,
    paint_all,
    step_of,
)

BOX = 4  # numbers of a crop: top, left, height, width


class View:
    """A random resized crop, or the whole image, then other transforms.

    Args:
        transforms: mmpretrain's ``RandomResizedCrop`` or mmcv's ``Resize``,
            bilinear, and then flips, jitter of brightness, contrast and
            saturation, greys and Gaussian blurs of mmcv and mmpretrain.

    Raises:
        UnknownStepError: If there is another transform.
    """

    def __init__(self, transforms: Sequence[BaseTransform]) -> None:
        first, *others = transforms
        if first.interpolation != 'bilinear':
            raise UnknownStepError(
                f'interpolation={first.interpolation!r} is not for the '
                "device: expected 'bilinear'"
            )
        self.whole = isinstance(first, Resize)
        height, width = first.scale[::-1] if self.whole else first.scale
        self.cropped = first
        self.size: tuple[int, int] = (int(height), int(width))
        self.steps = [step_of(transform) for transform in others]
        self.width = BOX + sum(step.width for step in self.steps)

    def draw(self, size: tuple[int, int]) -> list[float]:
        """Draw the numbers of this view of an image of a height and width."""
        box = (0, 0, *size)
        if not self.whole:
            blank = np.broadcast_to(np.uint8(0), (*size, 1))
            box = self.cropped.rand_crop_params(blank)
        return [*map(float, box), *draw_all(self.steps)]

    def paint(self, canvas: Canvas, values: Tensor) -> Tensor:
        """Make this view of a batch.

        Args:
            canvas: The images, BGR.
            values: What was drawn for each [N, width].

        Returns:
            float32 [N, 3, h, w] in [0, 255].
        """
        images = canvas.crop(values[:, :BOX], self.size)
        return paint_all(self.steps, images, values[:, BOX:])
