"""All views of an image: what is drawn for them, and their pixels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from mmcv.transforms import BaseTransform
from torch import Tensor

from mmcvgssl.datasets.views.canvas import Canvas
from mmcvgssl.datasets.views.view import View


class DrawnViews(ABC):
    """Views of an image whose numbers and pixels are apart.

    Attributes:
        sizes: Height and width of each view; empty if they have the image's.
        one_size: Whether the images of a batch must have one size.
        added: What a data sample says of the views beside their numbers.
    """

    sizes: Sequence[tuple[int, int]] = ()
    one_size = False

    def __init__(self) -> None:
        self.added: dict[str, Any] = {}

    @abstractmethod
    def draw(self, size: tuple[int, int]) -> list[float]:
        """Draw the numbers of all views of an image of a height and width."""

    @abstractmethod
    def paint(self, canvas: Canvas, values: Tensor) -> list[Tensor]:
        """Make the views of a batch.

        Args:
            canvas: The images, BGR.
            values: What was drawn for each [N, numbers].

        Returns:
            Views float32 [N, 3, h, w] in [0, 255].
        """


class Crops(DrawnViews):
    """Views that are crops, each with steps of its own.

    Args:
        steps: Transforms of each view, see :class:`View`.

    Raises:
        UnknownStepError: If a transform is for the workers alone.
    """

    def __init__(self, steps: Sequence[Sequence[BaseTransform]]) -> None:
        super().__init__()
        self.views = [View(each) for each in steps]
        self.sizes = [view.size for view in self.views]

    def draw(self, size: tuple[int, int]) -> list[float]:
        return [n for view in self.views for n in view.draw(size)]

    def paint(self, canvas: Canvas, values: Tensor) -> list[Tensor]:
        parts = values.split([view.width for view in self.views], dim=1)
        return [
            view.paint(canvas, part)
            for view, part in zip(self.views, parts, strict=True)
        ]
