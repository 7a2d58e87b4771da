"""A backbone with its normalisation and pooling."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from mmcvgssl.models.layers import channel_scales, global_pool
from mmcvgssl.models.layers.global_pool import checked_poolings, pool_levels


class Embedder(nn.Module):
    """A backbone that takes RGB images in [0, 1] and gives pooled features.

    Args:
        backbone: A ready one.
        mean: Mean of RGB channels in [0, 255], as in a data preprocessor.
        std: Standard deviation of RGB channels in [0, 255].
        poolings: How :meth:`encode` pools the levels before the last, as of
            :class:`FrozenTeacher`.

    Raises:
        ValueError: If mean or std are not of three channels, or a pooling is
            unknown.

    Example:
        >>> import torch
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
        poolings: Sequence[str] = ('mean',),
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.poolings = checked_poolings(poolings)
        for name, value in channel_scales(mean, std).items():
            self.register_buffer(name, value / 255)

    def forward(self, images: Tensor) -> Tensor:
        """Map [N, 3, H, W] to [N, D]."""
        return global_pool(self._levels(images))

    def encode(self, images: Tensor) -> list[Tensor]:
        """Return the pooled features [N, w] of all that the backbone gives.

        Args:
            images: RGB [N, 3, H, W] in [0, 1].
        """
        levels = self._levels(images)
        if isinstance(levels, Tensor):
            levels = [levels]
        return pool_levels(levels, self.poolings)

    def _levels(self, images: Tensor) -> Tensor | Sequence[Tensor]:
        return self.backbone((images - self.mean) / self.std)
