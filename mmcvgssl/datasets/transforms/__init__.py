"""Transforms in the manner of mmcv."""

from mmcvgssl.datasets.transforms.load_image import (
    LoadImage,
    UnreadableImageError,
    read_image,
)
from mmcvgssl.datasets.transforms.multi_crop import MultiCrop

__all__ = ['LoadImage', 'MultiCrop', 'UnreadableImageError', 'read_image']
