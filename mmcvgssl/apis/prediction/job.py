"""The work on one image: reading it, and drawing on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmcv.transforms import LoadImageFromFile

from mmcvgssl.apis.prediction.prediction_kind import Drawing
from mmcvgssl.datasets.reading import UnreadableImageError, read_image
from mmcvgssl.datasets.transforms.load_image import find_load_image
from mmcvgssl.provenance import FileState
from mmcvgssl.utils import atomic_write


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
        return {
            'inputs': torch.from_numpy(self.inputs),
            'data_samples': self.data_sample,
        }


class ImageJob:
    """Reads images and draws on them, in this or a worker process.

    A picture stays from reading to drawing, so that it is decoded once.

    Args:
        transforms: Built; from ``img_path`` to ``inputs``.
        extra: Further keys that the transforms get.
        room: Bytes of pictures in memory. One that does not fit is
            decoded again to be drawn on.
    """

    def __init__(
        self,
        transforms: Sequence[Any],
        extra: Mapping[str, Any],
        room: int,
    ) -> None:
        self.transforms = list(transforms)
        self.extra = dict(extra)
        self.room = room
        step = find_load_image(transforms)
        self._reading = {} if step is None else step.options
        self._input_size = None if step is None else step.input_size
        self._pictures: dict[int, np.ndarray] = {}

    def load(
        self,
        key: int,
        path: str,
        keep: bool = False,
        known: FileState | None = None,
    ) -> LoadedImage:
        """Read an image.

        Args:
            key: Key of the image, for :meth:`draw`.
            path: Path of its file.
            keep: Keep the picture in memory, to be drawn on later.
            known: State of the file, if that is wanted; it is said again if
                it has not changed before the image was read in full.
        """
        results: dict[str, Any] = {**self.extra, 'img_path': path}
        picture = None
        try:
            for step in self.transforms:
                results = _apply(step, results)
                if picture is None:
                    picture = results.get('img')
                    size = results.get('ori_shape')
        except UnreadableImageError as error:
            return LoadedImage(error=str(error))
        if keep and picture is not None and picture.nbytes <= self._left():
            self._pictures[key] = picture
        return LoadedImage(
            inputs=results['inputs'].numpy(),
            data_sample=results['data_samples'],
            size=None if size is None else (int(size[0]), int(size[1])),
            file=known if _holds(path, known) else None,
        )

    def draw(
        self,
        key: int,
        path: str,
        size: tuple[int, int],
        drawing: Drawing,
        file: Path,
        full: bool = False,
    ) -> str | None:
        """Write an overlay as PNG.

        Args:
            key: Key of the image.
            path: Path of its file.
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
                picture = read_image(path, input_size=side, **self._reading)
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


def _apply(step: Any, results: dict[str, Any]) -> dict[str, Any]:
    """Do a step; what the hosts' reader cannot read is said as ours says it.

    Raises:
        UnreadableImageError: If the image cannot be read.
    """
    if not isinstance(step, LoadImageFromFile):
        return step(results)
    try:
        return step(results)
    except (AssertionError, OSError, cv2.error) as error:
        raise UnreadableImageError(
            f'{results["img_path"]}: cannot be read as an image '
            f'({" ".join(str(error).split())[:200]}); replace the file'
        ) from error


def _holds(path: str, known: FileState | None) -> bool:
    """Whether a file is what it was, by its size and times."""
    try:
        return known is not None and FileState.look(path) == known.stamp
    except OSError:
        return False
