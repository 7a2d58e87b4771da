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

_HUE = 3  # of brightness, contrast, saturation and hue
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
    """mmpretrain's ``ColorJitter``."""

    width = 4 + 4  # order of the four changes, then their amounts

    def draw(self) -> Sequence[float]:
        order, *amounts = self.transform._rand_params()
        return colour_numbers(order, amounts)

    def paint(self, images: Tensor, values: Tensor) -> Tensor:
        own = self.transform
        options = own.brightness, own.contrast, own.saturation, own.hue
        drawn = [amount is not None for amount in options]
        return change_colours(images, values, drawn)


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


def colour_numbers(
    order: Sequence[int], amounts: Sequence[float | None]
) -> list[float]:
    """Lay out what a ``ColorJitter`` draws: the order, then the amounts."""
    return [*map(float, order)] + [
        NONE if amount is None else float(amount) for amount in amounts
    ]


def change_colours(
    images: Tensor,
    values: Tensor,
    drawn: Sequence[bool] = (True,) * 4,
    region: Tensor | None = None,
) -> Tensor:
    """Change brightness, contrast, saturation and hue, in drawn orders.

    Args:
        images: BGR float32 [N, 3, H, W] in [0, 255].
        values: What :func:`colour_numbers` gives for each [N, 8].
        drawn: Which of the four are drawn for any image.
        region: What contrast is about [N, 1, H, W], 1 or 0; by default all.
    """
    order, amounts = values[:, :4].long(), values[:, 4:]
    for change in order.unbind(1):
        amount = amounts.gather(1, change[:, None])[:, 0]
        turned = (change == _HUE) & ~amount.isnan()
        if any(drawn[:_HUE]):
            factor = amount.nan_to_num(1.0).where(change != _HUE, 1.0)
            images = pixels.blend(images, change, factor, region)
        if drawn[_HUE]:
            hues = pixels.hue(images, amount.nan_to_num(0.0))
            images = torch.where(_rows(turned), hues, images)
    return images


def _rows(which: Tensor) -> Tensor:
    return which.view(-1, 1, 1, 1)
