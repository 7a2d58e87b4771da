"""The work on one image: reading it by transforms, and drawing on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
from mmcv.transforms import LoadImageFromFile

from mmcvgssl.apis.prediction.picture_job import (
    LoadedImage,
    PictureJob,
    holds,
)
from mmcvgssl.datasets.reading import UnreadableImageError
from mmcvgssl.datasets.transforms.load_image import find_load_image
from mmcvgssl.provenance import FileState


class ImageJob(PictureJob):
    """Reads images and draws on them, in this or a worker process.

    Args:
        transforms: Built; from ``img_path`` to ``inputs``.
        extra: Further keys that the transforms get.
        room: See :class:`PictureJob`.
    """

    def __init__(
        self,
        transforms: Sequence[Any],
        extra: Mapping[str, Any],
        room: int,
    ) -> None:
        self.transforms = list(transforms)
        self.extra = dict(extra)
        step = find_load_image(transforms)
        reading = {} if step is None else step.options
        side = None if step is None else step.input_size
        super().__init__(reading, side, room)

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
        if keep and picture is not None:
            self.keep(key, picture)
        return LoadedImage(
            inputs=results['inputs'].numpy(),
            data_sample=results['data_samples'],
            size=None if size is None else (int(size[0]), int(size[1])),
            file=known if holds(path, known) else None,
        )


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
