"""The numbers of an image's views, for a device to make them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from mmcv.transforms import BaseTransform

from mmcvgssl.datasets.transforms.cutpaste import (
    CutPaste,
    CutPaste3Way,
    CutPasteScar,
    CutPasteUnion,
)
from mmcvgssl.datasets.transforms.multi_crop import MultiCrop
from mmcvgssl.datasets.views import (
    Crops,
    DrawnViews,
    PastedViews,
    UnknownStepError,
)
from mmcvgssl.registry import TRANSFORMS

NUMBERS = 'view_numbers'
_PASTES = (CutPaste, CutPasteScar, CutPasteUnion, CutPaste3Way)
# transforms that make views which the device can make, too
MAKERS = (MultiCrop, *_PASTES)


@TRANSFORMS.register_module()
class DrawViews(BaseTransform):
    """Draw what makes views of an image, and leave the image whole.

    :class:`mmcvgssl.models.ViewsPreprocessor` makes the views of a batch of
    it. ``views=device`` of a config puts the two in place of the transform
    that makes views.

    **Required keys:** img. **Added keys:** view_numbers, float32 tensor, and
    what the transform says of its views, such as view_labels.

    Args:
        of: Config of the transform: ``MultiCrop``, ``CutPaste``,
            ``CutPasteScar``, ``CutPasteUnion`` or ``CutPaste3Way``.

    Raises:
        mmcvgssl.datasets.views.UnknownStepError: If it is another one, or has
            a part that is for the workers alone.
        ValueError: If there is an anomaly map.

    Example:
        >>> import numpy as np
        >>> crops = dict(
        ...     type='mmcvgssl.MultiCrop', view_size=8, crop_scales=()
        ... )
        >>> draw = TRANSFORMS.build(dict(type='mmcvgssl.DrawViews', of=crops))
        >>> drawn = draw(dict(img=np.zeros((16, 32, 3), np.uint8)))
        >>> drawn['view_numbers'].shape  # top, left, height, width
        torch.Size([4])
    """

    def __init__(self, of: Mapping[str, Any]) -> None:
        self.views = drawn_views(of)

    def transform(self, results: dict) -> dict:
        """Draw the numbers of all views."""
        if 'anomaly_map' in results:
            raise ValueError(
                'the anomaly map cannot follow several views that the device '
                'makes: set views=workers'
            )
        numbers = self.views.draw(results['img'].shape[:2])
        results[NUMBERS] = torch.tensor(numbers, dtype=torch.float32)
        results.update(self.views.added)
        return results


def drawn_views(of: Mapping[str, Any]) -> DrawnViews:
    """Take the numbers and pixels of a transform's views apart.

    Args:
        of: Its config.

    Raises:
        mmcvgssl.datasets.views.UnknownStepError: If that is not possible.
    """
    transform = TRANSFORMS.build(dict(of))
    if isinstance(transform, MultiCrop):
        return Crops(transform.steps)
    if isinstance(transform, _PASTES):
        return PastedViews(transform.jitter, transform.pastes)
    raise UnknownStepError(
        f'{type(transform).__name__} is not for the device: expected '
        f'{", ".join(kind.__name__ for kind in MAKERS)}'
    )
