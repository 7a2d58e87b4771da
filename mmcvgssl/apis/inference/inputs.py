"""Images that people hand over: paths, pictures, arrays, and many of them."""

from __future__ import annotations

import io
import os
from collections import deque
from collections.abc import (
    Iterable,
    Iterator,
    Mapping,
    MappingView,
    Sequence,
    Set,
)
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from mmcvgssl.apis.prediction.find_images import find_images, is_list
from mmcvgssl.apis.prediction.picture_job import Source
from mmcvgssl.datasets.contents import Contents
from mmcvgssl.datasets.reading import MemoryImage, UnreadableImageError
from mmcvgssl.datasets.reading.memory_image import file_of
from mmcvgssl.utils import printable

# one image: a path, a picture of Pillow's, or an array RGB [H, W, 3] or grey
# [H, W]
Image = str | Path | PIL.Image.Image | np.ndarray
# one image, several of them, a folder, or a list file
Inputs = Image | Iterable[Image]

# what is gone through at once; all else that can be is an iterator
_LISTS = (list, tuple, deque, Set, MappingView)
_DATA = (bytes, bytearray, memoryview, io.IOBase)
_ONE = 'a path, a picture of Pillow, or an array RGB [H, W, 3] or grey [H, W]'


class UnreadableInputsError(UnreadableImageError):
    """Some images could not be read; the others are not lost.

    Args:
        message: What is wrong.
        results: Results of all images, in order; those that could not be
            read have an ``error``.

    Example:
        >>> error = UnreadableInputsError('1 of 2 images', results=[1, 2])
        >>> error.results
        [1, 2]
    """

    def __init__(self, message: str, results: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.results = list(results)


@dataclass
class Images:
    """Images in order, taken one by one.

    Args:
        sources: Paths, or pictures that are converted when they are taken.
        count: Their number; None: nobody knows, as for a generator.
    """

    sources: Iterable[Source]
    count: int | None

    @classmethod
    def of(
        cls, inputs: Inputs, max_pixels: int | None, strict: bool
    ) -> Images:
        """Return the images that somebody means.

        Args:
            inputs: See :class:`Inferencer`.
            max_pixels: Most pixels of an image.
            strict: Whether a missing file of a list is an error at once.

        Raises:
            FileNotFoundError: If there is no such file or folder.
            TypeError: If it is nothing that can be an image.
            ValueError: If a folder or list holds no image.
        """
        if isinstance(inputs, (str, os.PathLike)):
            paths = _paths_of(os.fspath(inputs))
            return cls(paths, len(paths))
        if isinstance(inputs, (PIL.Image.Image, np.ndarray, MemoryImage)):
            inputs = [inputs]
        if (
            _hint(inputs)
            or isinstance(inputs, Mapping)
            or not isinstance(inputs, Iterable)
        ):
            raise TypeError(
                f'expected {_ONE}, or a list, folder or iterator of them, '
                f'got {type(inputs).__name__}{_hint(inputs)}'
            )
        if not isinstance(inputs, _LISTS):
            return cls(_taken(inputs, max_pixels), None)
        _check(inputs, files=strict)
        if all(isinstance(item, (str, os.PathLike)) for item in inputs):
            paths = [os.fspath(item) for item in inputs]  # type: ignore[arg-type]
            return cls(paths, len(paths))
        return cls(_taken(inputs, max_pixels), len(inputs))


def source_of(
    item: Any, number: int = 0, max_pixels: int | None = None
) -> Source:
    """Return an image as it is read.

    Args:
        item: See ``Image``.
        number: Its number among the inputs, for messages.
        max_pixels: Most pixels of an image.

    Raises:
        TypeError: If it is nothing that can be an image.
    """
    name = f'images[{number}]'
    if isinstance(item, (str, os.PathLike)):
        return str(os.fspath(item))
    if isinstance(item, MemoryImage):
        return item
    if isinstance(item, np.ndarray):
        return MemoryImage.from_array(item, name, max_pixels)
    if isinstance(item, PIL.Image.Image):
        file = file_of(item)
        if file is not None:  # a JPEG may be decoded at a smaller size
            return file
        return MemoryImage.from_pillow(item, name, max_pixels)
    raise TypeError(
        f'{name}: expected {_ONE}, got {type(item).__name__}{_hint(item)}'
    )


def _hint(item: Any) -> str:
    if type(item).__module__ in ('torch', 'torch.nn.parameter'):
        return '; a tensor [3, H, W] is tensor.permute(1, 2, 0).numpy()'
    if isinstance(item, _DATA):
        return '; open bytes by PIL.Image.open(io.BytesIO(data))'
    return ''


def _taken(items: Iterable[Any], max_pixels: int | None) -> Iterator[Source]:
    for number, item in enumerate(items):
        yield source_of(item, number, max_pixels)


def _paths_of(name: str) -> list[str]:
    """Return an image, or those of a folder or list, as text."""
    if not name.strip():
        raise ValueError(
            'the path of the images is empty: expected an image, a folder or '
            'a list of images'
        )
    path, contents = Path(name), Contents(name)
    paths = [str(found) for found in find_images(path, contents=contents)]
    if path.is_dir() or is_list(path):
        contents.used = {'images': len(paths)}
        if contents.left_out or contents.warnings:
            contents.log()
    return paths


def _check(items: Iterable[Any], files: bool) -> None:
    """Refuse what is no image before others are computed.

    Args:
        items: What should be images.
        files: Whether a missing file is refused, too.

    Raises:
        FileNotFoundError: If a file is missing.
        TypeError: If one is nothing that can be an image.
    """
    for number, item in enumerate(items):
        if isinstance(item, (str, os.PathLike)):
            path = Path(item)
            if files and not path.is_file():
                what = 'a folder' if path.is_dir() else 'not there'
                raise FileNotFoundError(
                    f'images[{number}]: expected an image file, and '
                    f'{printable(str(path))} is {what}; correct the path, '
                    'pass a folder by itself, or keep going by '
                    "on_error='keep'"
                )
        elif not isinstance(item, (np.ndarray, PIL.Image.Image, MemoryImage)):
            source_of(item, number)
