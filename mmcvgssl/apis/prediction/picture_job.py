"""The work on one image that needs neither torch nor a host: drawing on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mmcvgssl.apis.prediction.prediction_kind import Drawing
from mmcvgssl.datasets.reading import (
    MemoryImage,
    UnreadableImageError,
    array_to_bgr,
    read_image,
)
from mmcvgssl.provenance import FileState
from mmcvgssl.utils import atomic_write

# the path of a file, or a picture in memory
Source = str | MemoryImage


@dataclass
class LoadedImage:
    """An image as the model takes it.

    Args:
        inputs: uint8 or float [C, H, W]; None if it cannot be read.
        data_sample: Data sample of the image.
        size: Height and width of the file, pixels.
        file: Its state; None if that is not wanted, or it has changed.
        error: Why it cannot be read.
    """

    inputs: np.ndarray | None = None
    data_sample: Any = None
    size: tuple[int, int] | None = None
    file: FileState | None = None
    error: str | None = None

    @property
    def item(self) -> dict[str, Any]:
        """What a pipeline of transforms gives."""
        import torch

        return {
            'inputs': torch.from_numpy(self.inputs),
            'data_samples': self.data_sample,
        }


class PictureJob:
    """Draws on images, in this or a worker process; others read them, too.

    A picture stays from reading to drawing, so that it is decoded once.

    Args:
        reading: Options of :func:`mmcvgssl.datasets.reading.read_image`.
        input_size: Its option of this name.
        room: Bytes of pictures in memory. One that does not fit is
            decoded again to be drawn on.
    """

    def __init__(
        self, reading: Mapping[str, Any], input_size: int | None, room: int
    ) -> None:
        self.room = room
        self._reading, self._input_size = dict(reading), input_size
        self._pictures: dict[int, np.ndarray] = {}

    def keep(self, key: int, picture: np.ndarray) -> None:
        """Keep a picture for :meth:`draw`, if there is room."""
        if picture.nbytes <= self._left():
            self._pictures[key] = picture

    def draw(
        self,
        key: int,
        source: Source,
        size: tuple[int, int],
        drawing: Drawing,
        file: Path,
        full: bool = False,
    ) -> str | None:
        """Write an overlay as PNG.

        Args:
            key: Key of the image.
            source: Path of its file, or the picture.
            size: Height and width of it, pixels.
            drawing: Function that draws.
            file: File to write, whole or not at all.
            full: Draw on the picture in its full size, for which a file that
                the model has read at a smaller one is decoded again.

        Returns:
            Why there is no overlay, or nothing.
        """
        picture = self._pictures.pop(key, None)
        if full and picture is not None and picture.shape[:2] != size:
            picture = None
        try:
            if picture is None:
                side = None if full else self._input_size
                picture = read_source(source, self._reading, side)
            drawn = drawing(picture, size)
            atomic_write(file, cv2.imencode('.png', drawn)[1].tobytes())
        except OSError as error:
            return f'no overlay {file}: {error}'
        return None

    def forget(self, key: int) -> None:
        """Let go of a picture that is not drawn on."""
        self._pictures.pop(key, None)

    def _left(self) -> int:
        used = sum(picture.nbytes for picture in self._pictures.values())
        return self.room - used


def read_source(
    source: Source,
    reading: Mapping[str, Any],
    input_size: int | None = None,
) -> np.ndarray:
    """Return the picture, BGR uint8 [h, w, 3].

    Args:
        source: Path of a file, or a picture in memory.
        reading: Options of :func:`mmcvgssl.datasets.reading.read_image`.
        input_size: Its option of this name.

    Raises:
        UnreadableImageError: If it cannot be read.
    """
    if isinstance(source, str):
        return read_image(source, input_size=input_size, **reading)
    if source.values is None:
        raise UnreadableImageError(str(source.error))
    options = reading.get('depth_range'), reading.get('max_pixels')
    try:
        return array_to_bgr(source.values, *options)
    except (OSError, ValueError) as error:
        raise UnreadableImageError(f'{source}: {error}') from error


def holds(source: Source, known: FileState | None) -> bool:
    """Whether a file is what it was, by its size and times."""
    if known is None or not isinstance(source, str):
        return False
    try:
        return FileState.look(source) == known.stamp
    except OSError:
        return False
