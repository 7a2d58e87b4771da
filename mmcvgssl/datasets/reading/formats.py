"""Image formats that can be read, and limits on their size."""

from __future__ import annotations

import os

# suffixes, in small letters; the content decides the format
SUFFIXES = (
    *('.jpg', '.jpeg', '.jpe', '.jfif', '.mpo'),
    *('.png', '.apng', '.bmp', '.dib', '.gif', '.webp'),
    *('.tif', '.tiff'),
    *('.jp2', '.j2k', '.j2c', '.jpx', '.jpf'),
    *('.ppm', '.pgm', '.pbm', '.pnm'),
)
# as Pillow calls them
FORMATS = ('JPEG', 'PNG', 'BMP', 'TIFF', 'WEBP', 'JPEG2000', 'GIF', 'PPM')

# what else is found in files that are named as images: where it starts, with
# what, and what it is
_OTHERS = (
    *((4, b'ftyp' + brand, 'a HEIC') for brand in (b'hei', b'hev', b'mif1')),
    (4, b'ftypavif', 'an AVIF'),
    (8, b'CR\x02', 'a raw file of a camera (CR2)'),
    (4, b'ftypcrx', 'a raw file of a camera (CR3)'),
    (0, b'FUJIFILMCCD', 'a raw file of a camera (RAF)'),
    (0, b'8BPS', 'a file of Photoshop'),
    (0, b'\0\0\x01\0', 'an icon'),
    (0, b'%PDF', 'a PDF'),
    (0, b'PK\x03\x04', 'a ZIP archive'),
    (0, b'v/1\x01', 'an OpenEXR'),
    (0, b'#?RADIANCE', 'a Radiance HDR'),
    (0, b'\0\x05\x16\x07', 'an attribute file of macOS (AppleDouble)'),
    (0, b'version https://git-lfs', 'a pointer of Git LFS'),
    (0, b'<!DOCTYPE', 'a page of HTML'),
    (0, b'<html', 'a page of HTML'),
    (0, b'<?xml', 'XML'),
    (0, b'<svg', 'an SVG'),
    (0, b'\0' * 32, 'zeros where a format would start'),
)

MAX_PIXELS = 178_956_970  # half a gigabyte as colours of 8 bits
MAX_PIXELS_VARIABLE = 'MMCVGSSL_MAX_PIXELS'


class UnreadableImageError(OSError):
    """An image file that cannot be decoded in full, or must not be.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from mmcvgssl.datasets.transforms import read_image
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, '1.png')
        ...     size = path.write_bytes(b'%PDF-1.7')
        ...     try:
        ...         read_image(str(path))
        ...     except UnreadableImageError as error:
        ...         print(str(error).split(': ')[1].split(';')[0])
        it holds a PDF, which is not read
    """


class TooManyUnreadableError(RuntimeError):
    """More files than allowed cannot be decoded.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from mmcvgssl.datasets import SurfaceImages
        >>> with TemporaryDirectory() as folder:
        ...     size = Path(folder, '1.png').write_bytes(b'no image')
        ...     try:
        ...         SurfaceImages(folder, verify=True)
        ...     except TooManyUnreadableError as error:
        ...         print('1 of 1' in str(error))
        True
    """


def other_content(head: bytes) -> str | None:
    """Say what a file is that no image is read from, if that is known.

    Args:
        head: Its first 32 bytes.
    """
    for offset, start, name in _OTHERS:
        if head[offset : offset + len(start)] == start:
            return name
    return None


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
