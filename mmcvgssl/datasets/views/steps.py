"""Steps of a view: the numbers that a transform draws, and its pixels.

A step draws by the methods of the host's transform, in their order, so that
the numbers are those that the transform itself would have drawn.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmcv.transforms import (
    BaseTransform,
    RandomApply,
    RandomFlip,
    RandomGrayscale,
)
from mmpretrain.datasets.transforms import ColorJitter, GaussianBlur
from torch import Tensor

from mmcvgssl.datasets.views import pixels

NONE = math.nan  # of a number that a transform did not need


class UnknownStepError(ValueError):
    """A transform whose pixels the device cannot work out."""


class Step(ABC):
    """A transform whose numbers and pixels are apart.

    Args:
        transform: The host's transform.

    Attributes:
        width: How many numbers it draws.
    """

    width: int

    def __init__(self, transform: Any) -> None:
        self.transform = transform

    @abstractmethod
    def draw(self) -> Sequence[float]:
        """Draw the numbers for one image, as the transform does."""

    @abstractmethod
    def paint(self, images: Tensor, values: Tensor) -> Tensor:
        """Change a batch.

        Args:
            images: BGR float32 [N, 3, H, W] in [0, 255].
            values: What was drawn [N, width].
        """


class Flip(Step):
    """mmcv's ``RandomFlip``."""

    width = 2  # whether along the rows, whether along the columns

    def draw(self) -> Sequence[float]:
        way = self.transform._choose_direction()
        return [
            float(way in ('horizontal', 'diagonal')),
            float(way in ('vertical', 'diagonal')),
        ]

    def paint(self, images: Tensor, values: Tensor) -> Tensor:
        rows, columns = (values > 0).view(-1, 2, 1, 1, 1).unbind(1)
        images = torch.where(rows, images.flip(3), images)
        return torch.where(columns, images.flip(2), images)


class Jitter(Step):
    """mmpretrain's ``ColorJitter`` of brightness, contrast and saturation."""

    width = 4 + 3  # order of the four, then the factors
    _CHANGES = (pixels.brightness, pixels.contrast, pixels.saturation)

    def __init__(self, transform: ColorJitter) -> None:
        if transform.hue is not None:
            raise UnknownStepError(f'{transform}: hue is not for the device')
        super().__init__(transform)

    def draw(self) -> Sequence[float]:
        order, *amounts = self.transform._rand_params()
        return [*map(float, order)] + [
            NONE if amount is None else float(amount) for amount in amounts[:3]
        ]

    def paint(self, images: Tensor, values: Tensor) -> Tensor:
        order, factors = values[:, :4], values[:, 4:]
        for turn in range(4):
            before = images
            for index, change in enumerate(self._CHANGES):
                factor = factors[:, index]
                mine = (order[:, turn] == index) & ~factor.isnan()
                if self._drawn[index]:
                    changed = change(before, factor.nan_to_num(1.0))
                    images = torch.where(_rows(mine), changed, images)
        return images

    @property
    def _drawn(self) -> list[bool]:
        own = self.transform
        return [
            amount is not None
            for amount in (own.brightness, own.contrast, own.saturation)
        ]


class Grey(Step):
    """mmcv's ``RandomGrayscale`` that keeps three channels."""

    width = 1

    def __init__(self, transform: RandomGrayscale) -> None:
        if not transform.keep_channels or transform.color_format == 'hsv':
            raise UnknownStepError(
                f'{transform}: expected keep_channels=True and no HSV'
            )
        super().__init__(transform)
        weights = np.array(transform.channel_weights, np.float64)
        self.weights = tuple(weights / weights.sum())

    def draw(self) -> Sequence[float]:
        return [float(self.transform._random_prob() < self.transform.prob)]

    def paint(self, images: Tensor, values: Tensor) -> Tensor:
        grey = pixels.grey(images, self.weights)
        return torch.where(
            _rows(values[:, 0] > 0), grey.expand_as(images), images
        )


class Blur(Step):
    """mmpretrain's ``GaussianBlur``."""

    width = 1

    def __init__(self, transform: GaussianBlur) -> None:
        super().__init__(transform)
        largest = transform.radius or max(transform.magnitude_range)
        self.reach = max(1, math.ceil(3 * largest))

    def draw(self) -> Sequence[float]:
        own = self.transform
        if own.random_disable():
            return [0.0]
        radius = own.radius
        return [float(own.random_magnitude() if radius is None else radius)]

    def paint(self, images: Tensor, values: Tensor) -> Tensor:
        sigma = values[:, 0]
        blurred = pixels.blur(images, sigma, self.reach)
        return torch.where(_rows(sigma > 0), blurred, images)


class Apply(Step):
    """mmcv's ``RandomApply``."""

    def __init__(self, transform: RandomApply) -> None:
        super().__init__(transform)
        self.steps = [step_of(each) for each in transform.transforms]
        self.width = 1 + sum(step.width for step in self.steps)

    def draw(self) -> Sequence[float]:
        if not self.transform.random_apply():
            return [NONE] * self.width
        return [1.0, *draw_all(self.steps)]

    def paint(self, images: Tensor, values: Tensor) -> Tensor:
        on = ~values[:, 0].isnan()
        painted = paint_all(self.steps, images, values[:, 1:].nan_to_num(0))
        return torch.where(_rows(on), painted, images)


_STEPS: dict[type, type[Step]] = {
    RandomFlip: Flip,
    ColorJitter: Jitter,
    RandomGrayscale: Grey,
    GaussianBlur: Blur,
    RandomApply: Apply,
}


def step_of(transform: BaseTransform) -> Step:
    """Return a transform's numbers and pixels apart.

    Raises:
        UnknownStepError: If its pixels are for the workers alone.
    """
    for kind, step in _STEPS.items():
        if isinstance(transform, kind):
            return step(transform)
    names = ', '.join(kind.__name__ for kind in _STEPS)
    raise UnknownStepError(
        f'{type(transform).__name__} is not for the device: expected {names}'
    )


def draw_all(steps: Sequence[Step]) -> list[float]:
    """Draw the numbers of steps, one after another."""
    return [float(value) for step in steps for value in step.draw()]


def paint_all(steps: Sequence[Step], images: Tensor, values: Tensor) -> Tensor:
    """Change a batch by steps, one after another.

    Args:
        steps: The steps.
        images: BGR float32 [N, 3, H, W] in [0, 255].
        values: What they drew, side by side [N, sum of widths].
    """
    parts = values.split([step.width for step in steps], dim=1)
    for step, part in zip(steps, parts, strict=True):
        images = step.paint(images, part)
    return images


def _rows(which: Tensor) -> Tensor:
    return which.view(-1, 1, 1, 1)
