"""Resizing images for frozen networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

import torch
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
    return filtered(images, size, mode).clamp_(0, 1)


def filtered(images: Tensor, size: Sequence[int], mode: str) -> Tensor:
    """Resize with a filter as wide as each side shrinks.

    Args:
        images: [N, C, H, W].
        size: Height and width of the result.
        mode: ``'bicubic'`` or ``'bilinear'``.

    Example:
        >>> import torch
        >>> filtered(torch.rand(1, 3, 40, 20), (16, 16), 'bilinear').shape
        torch.Size([1, 3, 16, 16])
    """
    size = (int(size[0]), int(size[1]))
    if not _by_tables.get():
        return F.interpolate(
            images, size, mode=mode, antialias=True, align_corners=False
        )
    rows = _table(images.shape[-2], size[0], mode)
    columns = _table(images.shape[-1], size[1], mode)
    # one dimension for images and channels, as runtimes take the last one of
    # a product for that of channels
    made = rows @ images.flatten(0, 1) @ columns.T
    return made.unflatten(0, (-1, images.shape[1]))


@contextmanager
def resizing_by_tables() -> Iterator[None]:
    """Have images resized by products of matrices, on the CPU.

    For graphs: runtimes differ in what they make of a filtered resizing, and
    a product is one everywhere.

    Example:
        >>> import torch
        >>> images = torch.rand(1, 3, 40, 20)
        >>> with resizing_by_tables():
        ...     made = resize_images(images, (16, 16))
        >>> torch.allclose(made, resize_images(images, (16, 16)), atol=1e-5)
        True
    """
    token = _by_tables.set(True)
    try:
        yield
    finally:
        _by_tables.reset(token)


_by_tables: ContextVar[bool] = ContextVar('resizing_by_tables', default=False)


@lru_cache(maxsize=64)
def _table(side: int, new: int, mode: str) -> Tensor:
    """Return the weights of the values of a side for each new one."""
    ones = torch.eye(side)[None, None]
    return F.interpolate(
        ones, (new, side), mode=mode, antialias=True, align_corners=False
    )[0, 0]
