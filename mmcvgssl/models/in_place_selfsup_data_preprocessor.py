"""Normalising views of images."""

from __future__ import annotations

import cv2
import torch
from mmpretrain.models.utils import SelfSupDataPreprocessor
from torch import Tensor

from mmcvgssl.registry import MODELS


@MODELS.register_module()
class InPlaceSelfSupDataPreprocessor(SelfSupDataPreprocessor):
    """mmpretrain's ``SelfSupDataPreprocessor`` with a third of the copies.

    Views [B, 3, H, W] become float32, in RGB if asked for, in one pass, and
    are normalised where they lie; bytes on the CPU are looked up in a table
    of their 256 results. The values are the same.

    Args:
        **kwargs: Options of ``SelfSupDataPreprocessor``.

    Example:
        >>> from mmcvgssl.registry import MODELS
        >>> preprocessor = MODELS.build(
        ...     dict(
        ...         type='mmcvgssl.InPlaceSelfSupDataPreprocessor',
        ...         mean=[127.5] * 3,
        ...         std=[127.5] * 3,
        ...         to_rgb=True,
        ...     )
        ... )
        >>> view = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
        >>> batch = preprocessor(dict(inputs=[view], data_samples=[]))
        >>> batch['inputs'][0].dtype, batch['inputs'][0].min().item()
        (torch.float32, -1.0)
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
        order = (2, 1, 0) if self._channel_conversion else (0, 1, 2)
        result = torch.empty_like(images, dtype=torch.float32)
        plain = images.device.type == 'cpu' and images.is_contiguous()
        if plain and images.dtype == torch.uint8:
            levels = torch.arange(256.0).expand(1, 3, 1, 256)
            tables = self._scale(levels.clone())[0].numpy()
            for image, out in zip(images.numpy(), result.numpy(), strict=True):
                for channel, source in enumerate(order):
                    cv2.LUT(image[source], tables[channel], out[channel])
            return result
        for channel, source in enumerate(order):
            result[:, channel] = images[:, source]
        return self._scale(result)

    def _scale(self, values: Tensor) -> Tensor:
        """Normalise float32 [B, 3, H, W] in place, if it is asked for."""
        if self._enable_normalize:
            values.sub_(self.mean).div_(self.std)
        return values
