"""Reading image files: one reader for all stages."""

from mmcvgssl.datasets.reading.depth import check_depth_range, common_range
from mmcvgssl.datasets.reading.formats import (
    MAX_PIXELS,
    SUFFIXES,
    TooManyUnreadableError,
    UnreadableImageError,
    pixel_limit,
)
from mmcvgssl.datasets.reading.masks import read_mask
from mmcvgssl.datasets.reading.memory_image import MemoryImage
from mmcvgssl.datasets.reading.opened_image import OpenedImage
from mmcvgssl.datasets.reading.read import (
    array_to_bgr,
    check_image,
    image_size,
    read_image,
    read_settled,
    to_bgr,
)

__all__ = [
    'MAX_PIXELS',
    'SUFFIXES',
    'MemoryImage',
    'OpenedImage',
    'TooManyUnreadableError',
    'UnreadableImageError',
    'array_to_bgr',
    'check_depth_range',
    'check_image',
    'common_range',
    'image_size',
    'pixel_limit',
    'read_image',
    'read_mask',
    'read_settled',
    'to_bgr',
]
