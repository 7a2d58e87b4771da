"""Views of a batch, made on the device that trains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from mmpretrain.models.utils import SelfSupDataPreprocessor
from torch import Tensor

from mmcvgssl.datasets.transforms.draw_views import NUMBERS, DrawViews
from mmcvgssl.datasets.views import Canvas
from mmcvgssl.registry import MODELS


@MODELS.register_module()
class ViewsPreprocessor(SelfSupDataPreprocessor):
    """Make views of whole images, then normalise them.

    The numbers of each view come from :class:`DrawViews`, so that the views
    are those which :class:`MultiCrop` makes in the workers, to rounding: here
    pixels stay floats between a view's steps. What is no canvas is normalised
    as it is.

    Args:
        views: Options of :class:`MultiCrop`.
        **kwargs: Options of mmpretrain's ``SelfSupDataPreprocessor``.

    Attributes:
        sizes: Height and width of each view.

    Example:
        >>> options = dict(view_size=8, crop_scales=())
        >>> draw = DrawViews(**options)
        >>> image = torch.zeros(3, 16, 16, dtype=torch.uint8)
        >>> drawn = draw(dict(img=image.permute(1, 2, 0).numpy()))
        >>> from mmpretrain.structures import DataSample
        >>> sample = DataSample(view_numbers=drawn['view_numbers'])
        >>> batch = dict(inputs=Canvas.of([image]), data_samples=[sample])
        >>> ViewsPreprocessor(options)(batch)['inputs'][0].shape
        torch.Size([1, 3, 8, 8])
    """

    def __init__(self, views: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.views = DrawViews(**views).drawn
        self.sizes = [view.size for view in self.views]

    def forward(self, data: dict, training: bool = False) -> dict:
        """Make the views of ``data['inputs']`` and normalise them."""
        if isinstance(data['inputs'], Canvas):
            data = self.cast_data(data)
            numbers = [getattr(s, NUMBERS) for s in data['data_samples']]
            inputs = self._paint(data['inputs'], torch.stack(numbers))
            data = {**data, 'inputs': inputs}
        return super().forward(data, training)

    @torch.no_grad()
    def _paint(self, canvas: Canvas, numbers: Tensor) -> list[Tensor]:
        parts = numbers.split([view.width for view in self.views], dim=1)
        # in half precision grey levels would be lost
        with torch.autocast(numbers.device.type, enabled=False):
            return [
                view.paint(canvas, part)
                for view, part in zip(self.views, parts, strict=True)
            ]
