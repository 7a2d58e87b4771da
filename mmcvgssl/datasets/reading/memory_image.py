"""Pictures in memory, read as files of the same values are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageFile

from mmcvgssl.datasets.reading.opened_image import OpenedImage
from mmcvgssl.datasets.reading.orientation import turn, valid_orientation
from mmcvgssl.datasets.reading.pillow_file import (
    PillowFile,
    pillow_to_bgr,
)
from mmcvgssl.datasets.reading.read import check_form, say_no_alpha

# TIFF's tags
_BITS, _PHOTOMETRIC, _FORMAT = 258, 262, 339
_BY_OPENCV = (np.uint8, np.uint16, np.float32)


@dataclass(frozen=True)
class MemoryImage:
    """A picture in memory, which takes the place of a file.

    Args:
        name: What messages call it.
        values: Grey [H, W] or BGR [H, W, 3], upright, at their own depth; a
            copy, as cameras write into the same buffer again.
        error: Why there are no values.

    Example:
        >>> rgb = np.zeros((2, 3, 3), np.uint8)
        >>> rgb[..., 0] = 255
        >>> MemoryImage.from_array(rgb, 'a red one').values[0, 0].tolist()
        [0, 0, 255]
    """

    name: str
    values: np.ndarray | None = None
    error: str | None = None

    def __str__(self) -> str:
        return self.name

    @classmethod
    def from_array(
        cls, values: np.ndarray, name: str, max_pixels: int | None = None
    ) -> MemoryImage:
        """Take an array.

        Args:
            values: Grey [H, W] or [H, W, 1], or RGB [H, W, 3].
            name: What messages call it.
            max_pixels: See :func:`read_image`.
        """
        try:
            if isinstance(values, np.ma.MaskedArray):
                raise ValueError(
                    'an image in memory has no mask: give the values by '
                    '.filled(value)'
                )
            check_form(values, max_pixels, 'RGB')
        except (OSError, ValueError) as error:
            return cls(name, error=f'{name}: {error}')
        if values.ndim == 3 and values.shape[2] == 1:
            values = values[..., 0]
        native = values.astype(values.dtype.newbyteorder('='))  # a copy
        return cls(name, native if native.ndim == 2 else _flipped(native))

    @classmethod
    def from_pillow(
        cls, image: Image.Image, name: str, max_pixels: int | None = None
    ) -> MemoryImage:
        """Take a picture of Pillow's, turned as its orientation tag says.

        Args:
            image: The picture.
            name: What messages call it.
            max_pixels: See :func:`read_image`.
        """
        try:
            values = _pixels_of(image, max_pixels)
        except Exception as error:  # decoders raise whatever they like
            reason = str(error) or type(error).__name__
            return cls(name, error=f'{name}: {reason}')
        if image.mode in ('LA', 'La', 'PA', 'RGBA', 'RGBa') or (
            image.mode == 'P' and 'transparency' in image.info
        ):
            say_no_alpha(name)
        return cls(name, values)


def _flipped(values: np.ndarray) -> np.ndarray:
    """Exchange red and blue."""
    if values.dtype in _BY_OPENCV:
        return cv2.cvtColor(values, cv2.COLOR_RGB2BGR)
    return np.ascontiguousarray(values[..., ::-1])


def _pixels_of(image: Any, max_pixels: int | None) -> np.ndarray:
    """Return grey [H, W] or BGR [H, W, 3], upright.

    Raises:
        OSError: If they cannot be decoded, or are more than allowed.
        ValueError: If Pillow has not what the file has, or several pictures.
    """
    shape = image.size[::-1]
    # costs no memory
    check_form(np.broadcast_to(np.uint8(0), shape), max_pixels, 'RGB')
    frames = getattr(image, 'n_frames', 1)
    if frames > 1 and image.format != 'MPO':
        raise ValueError(
            f'the picture is one of {frames} of its file; give a copy of the '
            'one that is meant, as image.copy()'
        )
    if isinstance(image, ImageFile.ImageFile):
        if image.tile and image.fp is not None:  # not decoded yet
            file = PillowFile(image.fp, image)  # type: ignore[arg-type]
            file.select(image.tell())
            return file.pixels(None)[0]
        if _differs(image):
            raise ValueError(
                'Pillow has other values of this picture than its file; give '
                'the path of the file, or an array'
            )
    image.load()
    deep = image.mode in ('I', 'F') or image.mode.startswith('I;')
    values = np.asarray(image) if deep else pillow_to_bgr(image)
    if not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder('='))
    tag = image.getexif().get(ExifTags.Base.Orientation)
    return turn(values, valid_orientation(tag))


def file_of(image: Image.Image) -> str | None:
    """Return the file of a picture that Pillow has opened, and no more.

    Its pixels have not been asked for, so that they are those of the file.
    """
    if not isinstance(image, ImageFile.ImageFile) or not image.tile:
        return None
    drafted = bool(getattr(image, 'decoderconfig', ()))
    return None if drafted else _name_of(image)


def _name_of(image: ImageFile.ImageFile) -> str | None:
    name = getattr(image, 'filename', '')
    found = isinstance(name, (str, os.PathLike)) and os.path.isfile(name)
    return os.fspath(name) if found else None


def _differs(image: Any) -> bool:
    """Whether Pillow squeezes, scales or misplaces what a file has."""
    if image.format == 'TIFF':
        tags = image.tag_v2
        signed = max(tags.get(_FORMAT, (1,))) == 2
        bits = max(tags.get(_BITS, (1,)))
        white = bits > 8 and tags.get(_PHOTOMETRIC) == 0
        odd = (bits == 8 and signed) or (bits == 32 and image.mode == 'I')
        if white or odd:
            return True
    name = _name_of(image)
    if name is None:
        return False
    with OpenedImage(name, page=0) as file:
        one = image.mode in ('I', 'F') or image.mode.startswith('I;')
        scaled = file.format in ('PPM', 'JPEG2000')
        # a TIFF with a name is mapped with its sides exchanged
        turned = file.format == 'TIFF' and file.orientation > 4
        return turned or (file.samples.deep and (scaled or not one))
