"""Which image files the reader reads, and which limits it keeps."""

from __future__ import annotations

import os

# what their names end in, in small letters; the content decides the format
SUFFIXES = (
    *('.jpg', '.jpeg', '.jpe', '.jfif', '.mpo'),
    *('.png', '.apng', '.bmp', '.dib', '.gif', '.webp'),
    *('.tif', '.tiff'),
    *('.jp2', '.j2k', '.j2c', '.jpx', '.jpf'),
    *('.ppm', '.pgm', '.pbm', '.pnm'),
)
# as Pillow calls them
FORMATS = ('JPEG', 'PNG', 'BMP', 'TIFF', 'WEBP', 'JPEG2000', 'GIF', 'PPM')

MAX_PIXELS = 178_956_970  # half a gigabyte as colours of 8 bits
MAX_PIXELS_VARIABLE = 'MMCVGSSL_MAX_PIXELS'


class UnreadableImageError(OSError):
    """An image file that cannot be decoded in full, or must not be."""


class TooManyUnreadableError(RuntimeError):
    """More files than allowed cannot be decoded."""


def pixel_limit(max_pixels: int | None = None) -> int:
    """Return how many pixels a file may have.

    Args:
        max_pixels: The limit; None for that of the environment's
            ``MMCVGSSL_MAX_PIXELS``, or else 178,956,970.

    Raises:
        ValueError: If it is no positive number.
    """
    source = 'max_pixels'
    if max_pixels is None:
        text = os.environ.get(MAX_PIXELS_VARIABLE, '')
        if not text:
            return MAX_PIXELS
        source = MAX_PIXELS_VARIABLE
        max_pixels = int(text) if text.isdecimal() else 0
    if isinstance(max_pixels, bool) or not (
        isinstance(max_pixels, int) and max_pixels > 0
    ):
        raise ValueError(
            f'{source} is a positive number of pixels, got {max_pixels!r}'
        )
    return max_pixels
