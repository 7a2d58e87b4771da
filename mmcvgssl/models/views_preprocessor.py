"""Views of a batch, made on the device that trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from mmpretrain.models.utils import SelfSupDataPreprocessor
from torch import Tensor

from mmcvgssl.datasets.transforms.draw_views import NUMBERS, drawn_views
from mmcvgssl.datasets.views import Canvas
from mmcvgssl.registry import MODELS


@MODELS.register_module()
class ViewsPreprocessor(SelfSupDataPreprocessor):
    """Make views of whole images, then normalise them.

    The numbers of each view come from :class:`DrawViews`, so that the views
    are those which the transform makes in the workers, to rounding: here
    pixels stay floats between a view's steps. What is no canvas is normalised
    as it is.

    Args:
        views: Config of the transform, see :class:`DrawViews`.
        **kwargs: Options of mmpretrain's ``SelfSupDataPreprocessor``.

    Attributes:
        views: How the views are made.

    Raises:
        ValueError: If images differ in size, and the views have theirs.

    Example:
        >>> from mmcvgssl.datasets.transforms import DrawViews
        >>> crops = dict(
        ...     type='mmcvgssl.MultiCrop', view_size=8, crop_scales=()
        ... )
        >>> draw = DrawViews(crops)
        >>> image = torch.zeros(3, 16, 16, dtype=torch.uint8)
        >>> drawn = draw(dict(img=image.permute(1, 2, 0).numpy()))
        >>> from mmpretrain.structures import DataSample
        >>> sample = DataSample(view_numbers=drawn['view_numbers'])
        >>> batch = dict(inputs=Canvas.of([image]), data_samples=[sample])
        >>> ViewsPreprocessor(crops)(batch)['inputs'][0].shape
        torch.Size([1, 3, 8, 8])
    """

    def __init__(self, views: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.views = drawn_views(views)

    def forward(self, data: dict, training: bool = False) -> dict:
        """Make the views of ``data['inputs']`` and normalise them."""
        if isinstance(data['inputs'], Canvas):
            if self.views.one_size:
                _require_one_size(data['inputs'].sizes)
            data = self.cast_data(data)
            data = {**data, 'inputs': painted(data, self.views.paint)}
        return super().forward(data, training)


@torch.no_grad()
def painted(
    data: Mapping[str, Any], paint: Callable[[Canvas, Tensor], Any]
) -> Any:
    """Make the views of a batch from the numbers in its data samples.

    Args:
        data: ``inputs``, a :class:`Canvas`, and ``data_samples``.
        paint: Takes the canvas and the numbers [N, width].
    """
    numbers = torch.stack([getattr(s, NUMBERS) for s in data['data_samples']])
    # in half precision grey levels would be lost
    with torch.autocast(numbers.device.type, enabled=False):
        return paint(data['inputs'], numbers)


def _require_one_size(sizes: Tensor) -> None:
    if (sizes != sizes[0]).any():
        found = sorted({tuple(size) for size in sizes.tolist()})
        raise ValueError(
            f'expected images of one size in a batch, got {found[:3]}: have '
            'mmcvgssl.SquareResize precede the pastes'
        )
