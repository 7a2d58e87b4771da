"""Data sets and transforms."""

from mmcvgssl.datasets import transforms
from mmcvgssl.datasets.surface_images import (
    SurfaceImages,
    TooManyUnreadableError,
)

__all__ = ['SurfaceImages', 'TooManyUnreadableError', 'transforms']
