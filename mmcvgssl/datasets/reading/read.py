"""Decoding image files to what networks take."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import cv2
import numpy as np

from mmcvgssl.datasets.reading.depth import (
    check_depth_range,
    common_range,
    to_uint8,
)
from mmcvgssl.datasets.reading.formats import (
    MAX_PIXELS_VARIABLE,
    UnreadableImageError,
    pixel_limit,
)
from mmcvgssl.datasets.reading.headers import Samples
from mmcvgssl.datasets.reading.opened_image import OpenedImage
from mmcvgssl.utils import log_once


def read_image(
    path: str,
    depth_range: tuple[float, float] | None = None,
    input_size: int | None = None,
    page: int | None = None,
    max_pixels: int | None = None,
) -> np.ndarray:
    """Decode a file to BGR uint8 [H, W, 3], whatever its mode.

    Grey, palette, CMYK and deep files are converted, opacity is dropped, and
    the orientation tag is honoured. A file that ends too early is an error,
    not a grey bar.

    Args:
        path: The file.
        depth_range: Values of files of more than 8 bits, and of floats, that
            become 0 and 255: ``(0, 4095)`` for a 12-bit camera. None: a range
            that holds the file's own values, see :func:`common_range`.
        input_size: Side in pixels that the image will be resized to. A JPEG
            is then decoded at a half, a quarter or an eighth, which takes a
            fraction of the time, if both sides stay that long.
        page: Which of several pictures; None: a file of several is an error,
            but for an MPO, whose first one is meant.
        max_pixels: Most pixels of a file; by default the environment's
            ``MMCVGSSL_MAX_PIXELS``, or 178,956,970.

    Raises:
        UnreadableImageError: If the file cannot be decoded in full, or is
            larger than allowed.
        ValueError: If an option is out of range.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     grey = np.array([[0, 4095]], np.uint16)  # a 12-bit camera
        ...     saved = cv2.imwrite(f'{folder}/1.png', grey)
        ...     image = read_image(f'{folder}/1.png', depth_range=(0, 4095))
        >>> image.tolist()  # BGR
        [[[0, 0, 0], [255, 255, 255]]]
    """
    check_depth_range(depth_range)
    with OpenedImage(path, page, max_pixels) as image:
        return to_bgr(image, depth_range, input_size)


def read_settled(
    path: str,
    depth_range: tuple[float, float] | None = None,
    input_size: int | None = None,
    page: int | None = None,
    max_pixels: int | None = None,
) -> tuple[np.ndarray, tuple[int, int]]:
    """Decode a file as :func:`read_image` does, but guess no range.

    Returns:
        BGR uint8 [H, W, 3], and height and width of the file, pixels.

    Raises:
        UnreadableImageError: See :func:`read_image`; also if the file is of
            more than 8 bits and there is no ``depth_range``.
    """
    with OpenedImage(path, page, max_pixels) as image:
        if image.samples.deep and depth_range is None:
            raise UnreadableImageError(
                f'{path}: its values are of {image.samples}, and nothing '
                'says which of them are black and white; set '
                'depth_range=(low, high) of LoadImage, (0, 4095) for 12 '
                'bits'
            )
        width, height = image.size
        return to_bgr(image, depth_range, input_size), (height, width)


def image_size(
    path: str | Path, page: int | None = None, max_pixels: int | None = None
) -> tuple[int, int]:
    """Return width and height in pixels as :func:`read_image` gives them.

    The orientation tag counts. Pixels are not decoded.

    Raises:
        UnreadableImageError: If the header cannot be read.
    """
    with OpenedImage(path, page, max_pixels) as image:
        return image.size


def check_image(path: str, **options) -> str | None:
    """Decode a file in full; say what is wrong with it, or nothing.

    Args:
        path: The file.
        **options: Options of :func:`read_image`.
    """
    try:
        read_image(path, **options)
    except UnreadableImageError as error:
        return str(error)
    return None


def to_bgr(
    image: OpenedImage,
    depth_range: tuple[float, float] | None,
    input_size: int | None = None,
) -> np.ndarray:
    """Decode an opened file to BGR uint8 [H, W, 3]; see :func:`read_image`."""
    values = image.pixels(input_size)
    if image.has_alpha:
        say_no_alpha(image.path)
    if image.samples.deep:
        if depth_range is None:
            floats = image.samples.kind == 'f'
            limits = extremes(image.path, values)
            depth_range = common_range([limits], floats)
        values = _in_range(image.path, values, depth_range)
    return _three_channels(values)


def array_to_bgr(
    values: np.ndarray,
    depth_range: tuple[float, float] | None,
    max_pixels: int | None = None,
) -> np.ndarray:
    """Bring pixels from memory to what :func:`read_image` returns.

    Args:
        values: Grey [H, W] or [H, W, 1], or BGR [H, W, 3].
        depth_range: Values that become 0 and 255, needed by others than
            uint8, which are taken as they are.
        max_pixels: See :func:`read_image`.

    Returns:
        BGR uint8 [H, W, 3].

    Raises:
        ValueError: If the array is of another form, or needs a range.
        UnreadableImageError: If a value is infinite or no number, or there
            are more pixels than allowed.
    """
    check_form(values, max_pixels)
    form = f'{values.dtype} {list(values.shape)}'
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    samples = Samples(8 * values.dtype.itemsize, values.dtype.kind)
    if samples.deep:
        if depth_range is None:
            raise ValueError(
                f'an image in memory is of {samples} ({form}), and nothing '
                'says which values are black and white; give uint8, or fit '
                'the model with depth_range=(low, high), (0, 4095) for 12 bits'
            )
        values = _in_range('an image in memory', values, depth_range)
    return _three_channels(values)


def check_form(
    values: np.ndarray, max_pixels: int | None = None, colours: str = 'BGR'
) -> None:
    """Check that an array can be an image.

    Args:
        values: The array.
        max_pixels: See :func:`read_image`.
        colours: Order of three channels.

    Raises:
        ValueError: If it is of another form.
        UnreadableImageError: If it has more pixels than allowed.
    """
    known = values.ndim == 2 or (
        values.ndim == 3 and values.shape[2] in (1, 3)
    )
    if not known or not values.size or values.dtype.kind not in 'uif':
        raise ValueError(
            f'an image in memory is grey [H, W] or {colours} [H, W, 3] of '
            f'numbers, got {values.dtype} {list(values.shape)}: drop '
            'opacity, and give one image at a time, channels last'
        )
    limit = pixel_limit(max_pixels)
    height, width = values.shape[:2]
    if height * width > limit:
        raise UnreadableImageError(
            f'an image in memory: {width} x {height} pixels are more than '
            f'max_pixels={limit}; cut it into tiles, or raise max_pixels or '
            f'the environment variable {MAX_PIXELS_VARIABLE}'
        )


def say_no_alpha(name: str) -> None:
    """Warn, once a process, that opacity is not read."""
    log_once(
        f'{name} has an alpha channel, which is not read; nor is that of '
        'other images',
        logging.WARNING,
        'alpha',
    )


def _in_range(
    name: str, values: np.ndarray, depth_range: tuple[float, float]
) -> np.ndarray:
    low, high = extremes(name, values)
    if low < depth_range[0] or high > depth_range[1]:
        log_once(
            f'{name} has values from {low:g} to {high:g}: what is outside '
            f'depth_range={tuple(depth_range)} is clipped, in this and in '
            'other images',
            logging.WARNING,
            'clipped',
        )
    return to_uint8(values, depth_range)


def _three_channels(values: np.ndarray) -> np.ndarray:
    if values.ndim == 2:
        return cv2.cvtColor(values, cv2.COLOR_GRAY2BGR)
    return values


def extremes(name: str, values: np.ndarray) -> tuple[float, float]:
    """Return the smallest and the largest value of an image.

    Raises:
        UnreadableImageError: If one is no number.
    """
    low, high = float(values.min()), float(values.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        count = int((~np.isfinite(values)).sum())
        raise UnreadableImageError(
            f'{name}: {count} values are infinite or no numbers; '
            'expected finite ones, so replace them by some value'
        )
    return low, high
