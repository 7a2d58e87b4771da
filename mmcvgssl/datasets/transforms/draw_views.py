"""The numbers of an image's views, for a device to make them."""

from __future__ import annotations

from typing import Any

import torch

from mmcvgssl.datasets.transforms.multi_crop import MultiCrop
from mmcvgssl.datasets.views import View
from mmcvgssl.registry import TRANSFORMS

NUMBERS = 'view_numbers'


@TRANSFORMS.register_module()
class DrawViews(MultiCrop):
    """Draw what :class:`MultiCrop` would draw, and leave the image whole.

    :class:`mmcvgssl.models.ViewsPreprocessor` makes the views of a batch of
    it. ``views=device`` of a config puts the two in place of ``MultiCrop``.

    **Required keys:** img. **Added keys:** view_numbers, float32 tensor.

    Args:
        **kwargs: Options of :class:`MultiCrop`.

    Raises:
        mmcvgssl.datasets.views.UnknownStepError: If a transform is for the
            workers alone.
        ValueError: If there is an anomaly map, or see :class:`MultiCrop`.

    Example:
        >>> import numpy as np
        >>> draw = TRANSFORMS.build(
        ...     dict(type='mmcvgssl.DrawViews', view_size=8, crop_scales=())
        ... )
        >>> drawn = draw(dict(img=np.zeros((16, 32, 3), np.uint8)))
        >>> drawn['view_numbers'].shape  # top, left, height, width
        torch.Size([4])
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.drawn = [View(steps) for steps in self.steps]

    def transform(self, results: dict) -> dict:
        """Draw the numbers of all views."""
        if 'anomaly_map' in results:
            raise ValueError(
                'the anomaly map cannot follow views that the device makes: '
                'set views=workers'
            )
        size = results['img'].shape[:2]
        numbers = [n for view in self.drawn for n in view.draw(size)]
        results[NUMBERS] = torch.tensor(numbers, dtype=torch.float32)
        return results
