"""Decoding the masks of defects."""

from __future__ import annotations

import logging

import numpy as np

from mmcvgssl.datasets.reading.formats import UnreadableImageError
from mmcvgssl.datasets.reading.opened_image import OpenedImage
from mmcvgssl.datasets.reading.read import extremes
from mmcvgssl.utils import log_once

CHANNELS = ('auto', 'colour', 'alpha')
_MOST = 0.9  # largest plausible share of defective pixels


def check_mask_options(threshold: float, channel: str) -> None:
    """Refuse options that are out of range.

    Raises:
        ValueError: Names it.
    """
    if threshold < 0:
        raise ValueError(
            f'threshold is 0 or more, got {threshold}; values above it are '
            'defect'
        )
    if channel not in CHANNELS:
        raise ValueError(
            f'channel is one of {", ".join(CHANNELS)}, got {channel!r}'
        )


def read_mask(
    path: str,
    threshold: float = 0,
    channel: str = 'auto',
    page: int | None = None,
    max_pixels: int | None = None,
) -> np.ndarray:
    """Decode a mask to uint8 [H, W] in {0, 1}, turned as images are.

    Args:
        path: The file; of a coloured one the brightest channel counts.
        threshold: Values above it are defect, as the file holds them: up to
            255, or up to 65535 in a file of 16 bits.
        channel: Channel of a file with opacity that shows the defect: its
            ``'colour'``, its ``'alpha'``, or, with ``'auto'``, the one of
            them that is not the same all over. Where both show something
            else, it must be said.
        page: See :func:`read_image`.
        max_pixels: See :func:`read_image`.

    Raises:
        UnreadableImageError: If the file cannot be decoded in full.
        ValueError: If colours and opacity mark other pixels and ``channel``
            is ``'auto'``, or the file has no opacity and it is ``'alpha'``;
            or if values differ, but all are above the threshold.

    Example:
        >>> import cv2
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     saved = cv2.imwrite(
        ...         f'{folder}/mask.png', np.array([[0, 255]], np.uint8)
        ...     )
        ...     read_mask(f'{folder}/mask.png')
        array([[0, 1]], dtype=uint8)
    """
    check_mask_options(threshold, channel)
    with OpenedImage(path, page, max_pixels) as image:
        if image.has_alpha and image.samples.deep:
            raise UnreadableImageError(
                f'{path}: a mask of {image.samples} with an alpha channel is '
                'not read; save it as grey, or with 8 bits'
            )
        if image.has_alpha:
            mask = _with_alpha(image, threshold, channel)
        elif channel == 'alpha':
            raise ValueError(
                f'{path} has no alpha channel: set channel of LoadMask to '
                '"auto" or "colour"'
            )
        else:
            values = image.pixels()
            if image.samples.kind == 'f':
                extremes(image.path, values)
            bright = _brightest(values)
            mask = bright > threshold
            exact = image.format != 'JPEG'
            if exact and mask.all() and bright.min() < bright.max():
                raise ValueError(
                    f'{path}: its values from {bright.min()} to '
                    f'{bright.max()} are all above threshold={threshold}, '
                    'which would make its whole image a defect; set '
                    'threshold of LoadMask to the value of what is good'
                )
        if image.format == 'JPEG' and threshold == 0 and mask.any():
            log_once(
                f'{path} is a JPEG, whose values near an edge are not exact, '
                'and all above 0 are defect: threshold=127 of LoadMask is '
                'safer',
                logging.WARNING,
                'jpeg mask',
            )
    if mask.mean() > _MOST:
        log_once(
            f'{path} marks {mask.mean():.0%} of its image as defect; if it '
            'marks what is good, invert it',
            logging.WARNING,
            'full mask',
        )
    return mask.astype(np.uint8)


def _with_alpha(
    image: OpenedImage, threshold: float, channel: str
) -> np.ndarray:
    rgba = image.rgba()
    colour, alpha = _brightest(rgba[..., :3]), rgba[..., 3]
    found = {'colour': colour > threshold, 'alpha': alpha > threshold}
    if channel != 'auto':
        return found[channel]
    plain = {'colour': np.ptp(colour) == 0, 'alpha': np.ptp(alpha) == 0}
    if plain['alpha'] and alpha.flat[0] == 255:
        return found['colour']
    if plain['colour'] and not plain['alpha']:
        return found['alpha']
    if (found['colour'] == found['alpha']).all():
        return found['colour']
    raise ValueError(
        f'{image.path}: its colours mark {found["colour"].sum()} of '
        f'{alpha.size} pixels and its alpha channel {found["alpha"].sum()}, '
        'which are not the same: say which shows the defect, by '
        'channel="colour" or channel="alpha" of LoadMask'
    )


def _brightest(values: np.ndarray) -> np.ndarray:
    return values if values.ndim == 2 else values.max(axis=2)
