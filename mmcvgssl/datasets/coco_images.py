"""Checks of the images that a COCO file names."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import unquote

from mmengine.logging import print_log

from mmcvgssl.datasets.coco_boxes import image_size
from mmcvgssl.datasets.files import ask_for_similar
from mmcvgssl.datasets.reading import OpenedImage, UnreadableImageError
from mmcvgssl.processes import in_threads
from mmcvgssl.utils import available_cores, printable

# how images are checked: not opened, by header, by pixels
LOOKS = ('names', 'sizes', 'pixels')
UNREADABLE = 'images that cannot be read'
_DRAWN = 64  # pixels a side
_EVERY = 10.0  # seconds between two lines of progress
_SIDEWAYS = (5, 6, 7, 8)  # orientations that swap width and height


class Found(NamedTuple):
    """Problems and notes about images.

    Args:
        kind: Kind of it.
        line: About this image.
        sound: Whether training may go on with it.
    """

    kind: str
    line: str
    sound: bool = False


def look_at_images(
    images: Sequence[Mapping[str, Any]],
    folder: Path,
    look: str = 'names',
    reading: Mapping[str, Any] | None = None,
) -> Iterator[tuple[Mapping[str, Any], Found]]:
    """Look at each image, by as many threads as there are processors.

    Args:
        images: Entries of a COCO file, with a name each.
        folder: Folder that names are relative to.
        look: One of ``LOOKS``.
        reading: ``page`` and ``max_pixels`` of :func:`read_image`.

    Yields:
        The entry, and what was found.

    Raises:
        ValueError: If ``look`` is no such word.
    """
    if look not in LOOKS:
        raise ValueError(
            f'check_images is one of {", ".join(LOOKS)}, got {look!r}'
        )
    last = time.monotonic()
    threads = min(16, available_cores())
    found = in_threads(
        lambda image: _look_at(image, folder, look, reading or {}),
        images,
        threads,
    )
    for done, (image, lines) in enumerate(zip(images, found, strict=True)):
        for line in lines:
            yield image, line
        if time.monotonic() > last + _EVERY:
            last = time.monotonic()
            print_log(
                f'{done + 1} of {len(images)} images checked '
                '(check_images=sizes reads their headers alone)',
                'current',
            )


def _look_at(
    image: Mapping[str, Any],
    folder: Path,
    look: str,
    reading: Mapping[str, Any],
) -> list[Found]:
    name = image['file_name']
    path = folder / name
    # unlike Path's it takes any text
    if not os.path.isfile(path):
        plain = unquote(name)  # as tools that label in browsers write it
        hint = ask_for_similar(folder, name, plain, PurePosixPath(plain).name)
        if '\\' in name:
            hint = 'write / for \\'
        hint = f'; {hint}' if hint else ''
        return [Found('missing images', f'{printable(str(path))}{hint}')]
    if look == 'names':
        return []
    try:
        page, most = reading.get('page'), reading.get('max_pixels')
        with OpenedImage(path, page, most) as opened:
            size, turned = opened.size, opened.orientation
            if look == 'pixels':
                # a JPEG is read to its end, and not drawn in full
                opened.pixels(_DRAWN)
    except UnreadableImageError as error:
        return [Found(UNREADABLE, printable(str(error)))]
    return list(_size_problems(image, path, size, turned))


def _size_problems(
    image: Mapping[str, Any], path: Path, size: tuple[int, int], turned: int
) -> Iterator[Found]:
    stated = image_size(image)
    if stated is None:
        return  # a problem of the COCO file itself
    if size != stated:
        line = (
            f'{printable(str(path))} has {size[0]} x {size[1]} pixels, the '
            f'file says {stated[0]:.0f} x {stated[1]:.0f}'
        )
        if turned in _SIDEWAYS and size == stated[::-1]:
            line += (
                f': the photo is stored on its side (EXIF orientation '
                f'{turned}) and its boxes belong to the stored frame; label '
                'it as it is shown, or turn the boxes'
            )
        yield Found('images of another size', line)
    elif turned in range(2, 9) and (
        turned not in _SIDEWAYS or size[0] == size[1]
    ):
        yield Found(
            'photos turned by their EXIF orientation, the same size either '
            'way: boxes are taken to lie where they do on the upright photo',
            f'{printable(str(path))}, orientation {turned}',
            sound=True,
        )
