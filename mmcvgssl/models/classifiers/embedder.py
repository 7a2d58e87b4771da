"""A backbone with its normalisation and pooling."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmcvgssl.models.layers import global_pool


class Embedder(nn.Module):
    """A backbone that takes RGB images in [0, 1] and gives pooled features.

    Args:
        backbone: A ready one.
        mean: Mean of RGB channels in [0, 255], as in a data preprocessor.
        std: Standard deviation of RGB channels in [0, 255].

    Raises:
        ValueError: If mean or std are not of three channels.

    Example:
        >>> net = nn.Conv2d(3, 16, 3)
        >>> embedder = Embedder(net, mean=[127.5] * 3, std=[127.5] * 3)
        >>> embedder(torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 16])
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: nn.Module,
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        super().__init__()
        self.backbone = backbone
        for name, numbers in (('mean', mean), ('std', std)):
            if len(numbers) != 3 or (name == 'std' and min(numbers) <= 0):
                raise ValueError(
                    f'{name}: expected a number for each of R, G and B'
                    f'{", above 0" if name == "std" else ""}, got {numbers}'
                )
            value = torch.tensor(numbers).view(-1, 1, 1) / 255
            self.register_buffer(name, value)

    def forward(self, images: Tensor) -> Tensor:
        """Map [N, 3, H, W] to [N, D]."""
        return global_pool(self.backbone((images - self.mean) / self.std))
