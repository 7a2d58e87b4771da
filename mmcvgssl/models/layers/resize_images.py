"""Resizing images for frozen networks."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor


def resize_images(
    images: Tensor, size: Sequence[int], mode: str = 'bicubic'
) -> Tensor:
    """Resize images as Pillow does, by which published weights were trained.

    Each side is filtered by how much it shrinks itself, so that a strip
    loses the patterns that are too fine for its long side. A side that grows
    is interpolated alone.

    Args:
        images: [N, C, H, W] in [0, 1].
        size: Height and width of the result, in pixels.
        mode: ``'bicubic'`` or ``'bilinear'``.

    Returns:
        [N, C, height, width] in [0, 1].

    Example:
        >>> import torch
        >>> resize_images(torch.rand(1, 3, 40, 20), (16, 16)).shape
        torch.Size([1, 3, 16, 16])
    """
    size = (int(size[0]), int(size[1]))
    if tuple(images.shape[-2:]) == size:
        return images
    return F.interpolate(
        images, size, mode=mode, antialias=True, align_corners=False
    ).clamp_(0, 1)
