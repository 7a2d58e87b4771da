"""Patches of an image at all positions, and a map from their scores."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PatchGrid:
    """A dense grid of square patches.

    Args:
        size: Side of a patch, in pixels.
        stride: Between patches, in pixels.
        sigma: Standard deviation of the Gaussian that smooths the map, in
            pixels.

    Raises:
        ValueError: If one is not positive.
    """

    size: int = 64
    stride: int = 8
    sigma: float = 8.0

    def __post_init__(self) -> None:
        if min(self.size, self.stride, self.sigma) <= 0:
            raise ValueError(f'options of a patch grid are positive: {self}')

    def cut(self, images: Tensor) -> Tensor:
        """Cut images [N, 3, H, W] to a view [N, h, w, 3, size, size].

        Raises:
            ValueError: If an image is smaller than a patch.
        """
        if min(images.shape[-2:]) < self.size:
            height, width = images.shape[-2:]
            raise ValueError(
                f'images of {height}x{width} pixels are smaller than patches '
                f'of {self.size}; raise input_size, or lower the size of '
                'patches'
            )
        rows = images.unfold(2, self.size, self.stride)
        return rows.unfold(3, self.size, self.stride).permute(0, 2, 3, 1, 4, 5)

    def smooth(self, scores: Tensor, height: int, width: int) -> Tensor:
        """Spread scores [N, h, w] over the image by Gaussian weights.

        A value of the map is the mean of scores, weighted by the distance of
        the middle of their patches; so borders have the level of what is
        near.

        Returns:
            Maps [N, H / stride, W / stride], whose first and last values lie
            on the image's borders.
        """
        up, across = (
            self._weights(side, count, scores)
            for side, count in zip(
                (height, width), scores.shape[-2:], strict=True
            )
        )
        return up @ scores @ across.T

    def _weights(self, side: int, count: int, like: Tensor) -> Tensor:
        """Return the weight [n, count] of each patch at each position."""
        n = max(round(side / self.stride), 1)
        positions = torch.linspace(0, side - 1, n).to(like)
        centres = torch.arange(count).to(like) * self.stride
        centres = centres + (self.size - 1) / 2
        apart = positions[:, None] - centres[None]
        return (-apart.square() / (2 * self.sigma**2)).softmax(dim=1)
