"""Normalising views of images."""

from __future__ import annotations

import torch
from mmpretrain.models.utils import SelfSupDataPreprocessor
from torch import Tensor

from mmcvgssl.registry import MODELS


@MODELS.register_module()
class InPlaceSelfSupDataPreprocessor(SelfSupDataPreprocessor):
    """mmpretrain's ``SelfSupDataPreprocessor`` with a third of the copies.

    Views [B, 3, H, W] become float32, in RGB if asked for, in one pass, and
    are normalised where they lie; the values are the same.

    Args:
        **kwargs: Of ``SelfSupDataPreprocessor``.
    """

    def forward(self, data: dict, training: bool = False) -> dict:
        """Convert and normalise ``data['inputs']``: views, or a batch."""
        cast = self.cast_data(data)
        inputs = cast['inputs']
        if isinstance(inputs, Tensor):
            inputs = self._normalise(inputs)
        else:
            inputs = [self._normalise(view) for view in inputs]
        return {'inputs': inputs, 'data_samples': cast.get('data_samples')}

    def _normalise(self, images: Tensor) -> Tensor:
        result = torch.empty_like(images, dtype=torch.float32)
        order = (2, 1, 0) if self._channel_conversion else (0, 1, 2)
        for channel, source in enumerate(order):
            result[:, channel] = images[:, source]
        if self._enable_normalize:
            result.sub_(self.mean).div_(self.std)
        return result
