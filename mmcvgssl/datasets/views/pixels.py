"""Changes of a batch of images, each image with a number of its own.

Images are BGR float32 [N, 3, H, W] in [0, 255], and stay within.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

LUMA = (0.114, 0.587, 0.299)  # of blue, green and red, as OpenCV weighs them


def brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Multiply images by factors [N]."""
    return (images * _rows(factor)).clamp(0, 255)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Move images away from their mean grey, by factors [N]."""
    mean = grey(images, LUMA).mean((1, 2, 3), keepdim=True).round()
    return (mean + (images - mean) * _rows(factor)).clamp(0, 255)


def saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Move images away from their grey, by factors [N]."""
    plain = grey(images, LUMA)
    return (plain + (images - plain) * _rows(factor)).clamp(0, 255)


def grey(images: Tensor, weights: Sequence[float]) -> Tensor:
    """Return the weighted sum of the channels [N, 1, H, W]."""
    mix = torch.tensor(weights, dtype=images.dtype, device=images.device)
    return (images * mix.view(1, -1, 1, 1)).sum(1, keepdim=True)


def blur(images: Tensor, sigma: Tensor, reach: int) -> Tensor:
    """Blur images by Gaussians.

    Args:
        images: The images.
        sigma: Standard deviation of each, pixels [N]; 0 leaves an image.
        reach: Pixels of a Gaussian to either side.
    """
    n, channels, height, width = images.shape
    at = torch.arange(-reach, reach + 1, device=images.device)
    wide = sigma.clamp(min=1e-3)[:, None]
    kernel = torch.softmax(-((at / wide) ** 2) / 2, dim=1)
    kernel = kernel.repeat_interleave(channels, 0)[:, None]
    rows = images.reshape(1, n * channels, height, width)
    for shape, pad in (
        ((1, -1), (reach, reach, 0, 0)),
        ((-1, 1), (0, 0, reach, reach)),
    ):
        rows = F.pad(rows, pad, mode='replicate')
        weight = kernel.view(n * channels, 1, *shape)
        rows = F.conv2d(rows, weight, groups=n * channels)
    return rows.view_as(images)


def _rows(factor: Tensor) -> Tensor:
    return factor.view(-1, 1, 1, 1)
