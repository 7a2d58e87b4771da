"""A graph that can be exported, and its first layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from mmcvgssl.models.anomaly.tiled_images import TilePreprocessor

INPUT = 'images'


@dataclass(frozen=True)
class Graph:
    """A model that can be exported.

    Args:
        module: From images, RGB uint8 [N, H, W, 3], to the outputs.
        outputs: Meaning of each output, by its name, in their order.
        geometry: Where values of the outputs lie in the image.
        threshold: See :class:`Metadata`.
        map_threshold: See :class:`Metadata`.
        boxes: See :class:`Metadata`.
        remarks: How the graph differs from the model.
    """

    module: nn.Module
    outputs: Mapping[str, str]
    geometry: str = ''
    threshold: float | None = None
    map_threshold: float | None = None
    boxes: Mapping[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


class InputLayer(nn.Module):
    """What a data preprocessor does, on images as files hold them.

    Args:
        preprocessor: mmengine's ``ImgDataPreprocessor``, or what hands on
            tiles beside it.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, preprocessor: Any) -> None:
        super().__init__()
        if isinstance(preprocessor, TilePreprocessor):
            preprocessor = preprocessor.whole
        # transforms give BGR, and this gets RGB
        self.flip = not preprocessor._channel_conversion
        self.normalise = bool(preprocessor._enable_normalize)
        if self.normalise:
            self.register_buffer('mean', preprocessor.mean.clone())
            self.register_buffer('std', preprocessor.std.clone())
        self.divisor = int(getattr(preprocessor, 'pad_size_divisor', 1))
        self.pad_value = float(getattr(preprocessor, 'pad_value', 0))

    def padded(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return height and width of what images of a size become."""
        height, width = size
        return height + -height % self.divisor, width + -width % self.divisor

    def forward(self, images: Tensor) -> Tensor:
        """Turn RGB uint8 [N, H, W, 3] into floats [N, 3, H, W], padded."""
        values = images.permute(0, 3, 1, 2).float()
        if self.flip:
            values = values.flip(1)
        if self.normalise:
            values = (values - self.mean) / self.std
        height, width = self.padded((images.shape[1], images.shape[2]))
        missing = width - images.shape[2], height - images.shape[1]
        if any(missing):
            values = F.pad(
                values, (0, missing[0], 0, missing[1]), value=self.pad_value
            )
        return values
