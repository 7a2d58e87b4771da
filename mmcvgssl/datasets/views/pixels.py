"""Changes of a batch of images, each image with a number of its own.

Images are BGR float32 [N, 3, H, W] in [0, 255], and stay within.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

LUMA = (0.114, 0.587, 0.299)  # of blue, green and red, as OpenCV weighs them


def blend(
    images: Tensor, change: Tensor, factor: Tensor, region: Tensor | None
) -> Tensor:
    """Move images away from black, their mean grey or their own greys.

    Args:
        images: The images.
        change: What of each image changes [N]: brightness (0), contrast (1)
            or saturation (2).
        factor: By how much [N]; 1 leaves an image.
        region: What the mean is of [N, 1, H, W], 1 or 0; None: all.
    """
    plain = grey(images, LUMA)
    if region is None:
        mean = plain.mean((1, 2, 3), keepdim=True)
    else:
        area = region.sum((1, 2, 3), keepdim=True)
        mean = (plain * region).sum((1, 2, 3), keepdim=True) / area
    change = _rows(change)
    base = torch.where(change == 1, mean.round(), plain)
    base = torch.where(change == 0, 0.0, base)
    return (base + (images - base) * _rows(factor)).clamp_(0, 255)


def hue(images: Tensor, turns: Tensor) -> Tensor:
    """Turn the hues of images by shares of a circle [N]."""
    value, least = images.amax(1), images.amin(1)
    spread = value - least
    blue, green, red = images.unbind(1)
    # sixths of the circle, from red by green to blue
    safe = spread.clamp(min=1e-6)
    at = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(
            value == green, (blue - red) / safe + 2, (red - green) / safe + 4
        ),
    )
    # OpenCV has 256 steps in a circle
    at = at + (turns * 255).trunc().view(-1, 1, 1) * (6 / 256)
    channels = []
    for start in (1, 3, 5):  # of blue, green and red
        step = (at + start) % 6
        fall = step.minimum(4 - step).clamp(0, 1)
        channels.append(value - spread * fall)
    return torch.stack(channels, 1)


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
