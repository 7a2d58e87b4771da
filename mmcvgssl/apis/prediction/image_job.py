"""The work on one image: reading it by transforms, and drawing on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import LoadImageFromFile

from mmcvgssl.apis.prediction.picture_job import (
    LoadedImage,
    PictureJob,
    Source,
    holds,
)
from mmcvgssl.datasets.reading import (
    MemoryImage,
    UnreadableImageError,
    array_to_bgr,
)
from mmcvgssl.datasets.transforms.load_image import (
    LoadImage,
    find_load_image,
)
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
        source: Source,
        keep: bool = False,
        known: FileState | None = None,
    ) -> LoadedImage:
        """Read an image.

        Args:
            key: Key of the image, for :meth:`draw`.
            source: Path of its file, or the picture.
            keep: Keep the picture in memory, to be drawn on later.
            known: State of the file, if that is wanted; it is said again if
                it has not changed before the image was read in full.
        """
        results: dict[str, Any] = {**self.extra, 'img_path': source}
        if isinstance(source, MemoryImage):
            if source.error is not None:
                return LoadedImage(error=source.error)
            results |= {'img_path': None, 'img': source.values}
        picture, size = None, None
        try:
            for step in self.transforms:
                results = _apply(step, results, source)
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
            file=known if holds(source, known) else None,
        )


def _apply(
    step: Any, results: dict[str, Any], source: Source
) -> dict[str, Any]:
    """Do a step; what the hosts' reader cannot read is said as ours says it.

    Raises:
        UnreadableImageError: If the image cannot be read.
    """
    if isinstance(source, MemoryImage):
        if not isinstance(step, (LoadImage, LoadImageFromFile)):
            return step(results)
        try:
            return _take(step, results)
        except (UnreadableImageError, ValueError) as error:
            raise UnreadableImageError(f'{source}: {error}') from error
    if not isinstance(step, LoadImageFromFile):
        return step(results)
    try:
        return step(results)
    except (AssertionError, OSError, cv2.error) as error:
        raise UnreadableImageError(
            f'{results["img_path"]}: cannot be read as an image '
            f'({" ".join(str(error).split())[:200]}); replace the file'
        ) from error


def _take(step: Any, results: dict[str, Any]) -> dict[str, Any]:
    """Do a step that reads; the hosts' reader of files is given the picture.

    Raises:
        UnreadableImageError: If the picture has values that are no numbers.
        ValueError: If it is of another form, or needs a range.
    """
    if not isinstance(step, LoadImageFromFile):
        return step(results)
    if step.color_type != 'color':
        raise ValueError(
            f"the model reads files with color_type='{step.color_type}', "
            'which pictures in memory have not; give paths'
        )
    image = array_to_bgr(results['img'], None)
    shape = image.shape[:2]
    image = image.astype(np.float32) if step.to_float32 else image
    return {**results, 'img': image, 'img_shape': shape, 'ori_shape': shape}
