"""Images that people hand over, as files for the one reader."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mmcvgssl.apis.inference.inputs import Images, Inputs
from mmcvgssl.apis.prediction.image_job import Source
from mmcvgssl.datasets.reading import MemoryImage, UnreadableImageError
from mmcvgssl.datasets.reading.read import extremes

# formats that lose nothing, by the type of the numbers
_FORMATS = {'uint8': '.png', 'uint16': '.png', 'float32': '.tiff'}
# OpenCV's own choice for colours in floats is one that loses digits
_OPTIONS = {
    '.png': [cv2.IMWRITE_PNG_COMPRESSION, 1],
    '.tiff': [cv2.IMWRITE_TIFF_COMPRESSION, 1],
}


def listed(paths: Sequence[str], steps: Sequence[Any] = ()) -> dict[str, Any]:
    """Return the config of a data set of files, each of which is to be read.

    Args:
        paths: Absolute paths.
        steps: Transforms, or their configs.
    """
    folders = [os.path.dirname(path) for path in paths]
    return dict(
        type='mmcvgssl.ImageList',
        data_root=os.path.commonpath(folders),
        paths=list(paths),
        test_mode=True,  # one that cannot be read is an error
        pipeline=list(steps),
    )


class ImageFiles(AbstractContextManager):
    """Absolute paths of images of any kind, as long as the context lasts.

    Pictures in memory are written without loss to a temporary folder, one
    after the other, and read from there as other files are. So the provenance
    of a model knows them by their content.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix='mmcvgssl-')
        self._home = Path(self._folder.name)
        self._count = 0

    def __exit__(self, *error: object) -> None:
        self._folder.cleanup()

    def paths(self, images: Inputs, what: str = 'images') -> list[str]:
        """Return the files of images; see :meth:`groups`.

        Args:
            images: See :class:`~mmcvgssl.apis.AnomalyInspector`.
            what: Name of the argument, for messages.
        """
        return self.groups({what: images})[what]

    def groups(self, images: dict[str, Inputs]) -> dict[str, list[str]]:
        """Return the files of several groups of images, in their order.

        Where only some of them are in memory, the files of the others are
        copied beside these, so that all are named from one folder.

        Args:
            images: Images by the name of their group.

        Raises:
            FileNotFoundError: If there is no such file.
            TypeError: If one is nothing that can be an image.
            UnreadableImageError: If a picture in memory is no image.
            ValueError: If a group has no image.
        """
        made = {
            name: [
                self._file(source)
                for source in Images.of(given, None, strict=True).sources
            ]
            for name, given in images.items()
        }
        for name, paths in made.items():
            if not paths:
                raise ValueError(
                    f'expected images as {name}, got none: give a folder, a '
                    'list of images or an iterator with some'
                )
        if self._count:
            made = {
                name: [self._beside(path) for path in paths]
                for name, paths in made.items()
            }
        return made

    def _file(self, source: Source) -> str:
        if not isinstance(source, MemoryImage):
            return os.path.abspath(source)
        if source.values is None:
            raise UnreadableImageError(str(source.error))
        kind = str(source.values.dtype)
        if kind not in _FORMATS:
            raise UnreadableImageError(
                f'{source}: expected numbers of {", ".join(_FORMATS)}, got '
                f'{kind}; convert them, as by array.astype(numpy.float32)'
            )
        extremes(source.name, source.values)
        return self._write(source.values, _FORMATS[kind])

    def _write(self, values: np.ndarray, suffix: str) -> str:
        path = self._next(suffix)
        if not cv2.imwrite(str(path), values, _OPTIONS[suffix]):
            raise OSError(f'{path} cannot be written: is the disk full?')
        return str(path)

    def _beside(self, path: str) -> str:
        if self._home in Path(path).parents:
            return path
        copy = self._next(Path(path).suffix)
        return str(shutil.copyfile(path, copy))

    def _next(self, suffix: str) -> Path:
        path = self._home / f'image-{self._count:05d}{suffix}'
        self._count += 1
        return path
