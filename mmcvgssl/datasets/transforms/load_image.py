"""Loading image files into a pipeline."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.logging import MMLogger

from mmcvgssl.datasets.image_cache import Decoded, shared_cache
from mmcvgssl.datasets.reading import (
    TooManyUnreadableError,
    UnreadableImageError,
    array_to_bgr,
    check_depth_range,
    pixel_limit,
    read_settled,
)
from mmcvgssl.datasets.transforms.unreadable_files import UNREADABLE
from mmcvgssl.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadImage(BaseTransform):
    """Load an image file, strictly; the first step of every pipeline.

    An image that is in memory already, as the hosts' inferencers hand it on,
    is taken as a file of the same values would be, see :func:`array_to_bgr`.

    **Required keys:** img_path, or img (grey [H, W] or BGR [H, W, 3]).
    **Added keys:** img (BGR uint8 [H, W, 3]), img_path (None where there is
    none), img_shape (of the array), ori_shape (of the file, upright).

    Args:
        depth_range: Values of files of more than 8 bits that become 0 and
            255, see :func:`read_image`. None: such a file is an error;
            ``settle_images`` finds a range for a data set before it is used.
        input_size: See :func:`read_image`. Called as the configs' top-level
            ``input_size`` is, so that the command line's reaches it.
        page: See :func:`read_image`.
        max_pixels: See :func:`read_image`.
        max_unreadable: How many files may be unreadable in the training of a
            host's data set: they are named, counted and skipped, and one more
            ends the run. 0: the first one is an error.
        image_cache: Memory for decoded images, MiB, that all such steps and
            all workers share; see :class:`ImageCache`. 0: files are decoded
            each time.

    Raises:
        UnreadableImageError: If the file cannot be decoded in full.
        TooManyUnreadableError: If more than ``max_unreadable`` cannot.
        ValueError: If an option is out of range, or an array is no image.

    Example:
        >>> import cv2
        >>> from tempfile import TemporaryDirectory
        >>> load = TRANSFORMS.build(dict(type='mmcvgssl.LoadImage'))
        >>> with TemporaryDirectory() as folder:
        ...     path = f'{folder}/1.png'
        ...     saved = cv2.imwrite(path, np.zeros((8, 6), np.uint8))
        ...     results = load(dict(img_path=path))
        >>> results['img'].shape, results['ori_shape']
        ((8, 6, 3), (8, 6))
    """

    def __init__(
        self,
        depth_range: tuple[float, float] | None = None,
        input_size: int | None = None,
        page: int | None = None,
        max_pixels: int | None = None,
        max_unreadable: int = 0,
        image_cache: int = 0,
    ) -> None:
        check_depth_range(depth_range)
        pixel_limit(max_pixels)
        self.depth_range: tuple[float, float] | None = None
        if depth_range is not None:
            self.depth_range = (depth_range[0], depth_range[1])
        self.input_size = input_size
        self.page = page
        self.max_pixels = max_pixels
        self.max_unreadable = max_unreadable
        self.image_cache = image_cache
        if image_cache:  # before workers are forked, which share it
            shared_cache(image_cache)
        self._unreadable = UNREADABLE

    @property
    def options(self) -> dict[str, Any]:
        """What :func:`read_image` needs to read as this does, in full size."""
        return {
            'depth_range': self.depth_range,
            'page': self.page,
            'max_pixels': self.max_pixels,
        }

    def transform(self, results: dict) -> dict | None:
        """Read ``results['img_path']``; None if another one is to be taken."""
        if results.get('img') is not None:
            return self._take(results)
        try:
            return self._load(results)
        except UnreadableImageError as error:
            if not self.max_unreadable:
                raise
            self._count(results['img_path'], error)
        return self._substitute(results.get('dataset'))

    def check(self, path: str) -> str | None:
        """Decode a file in full; say why it is not read, or nothing."""
        try:
            self._read(path)
        except UnreadableImageError as error:
            return str(error)
        return None

    def _read(
        self, path: str, input_size: int | None = None
    ) -> tuple[np.ndarray, tuple[int, int]]:
        """Return pixels, and height and width of the file."""
        return read_settled(
            *(path, self.depth_range, input_size, self.page, self.max_pixels)
        )

    def _read_once(self, path: str) -> tuple[np.ndarray, tuple[int, int]]:
        """Read a file, or take it from memory."""
        if not self.image_cache:
            return self._read(path, self.input_size)
        how = (self.depth_range, self.input_size, self.page, self.max_pixels)
        return shared_cache(self.image_cache).read(
            str(path), how, lambda: Decoded(*self._read(path, self.input_size))
        )

    def _take(self, results: dict) -> dict:
        values = np.asarray(results['img'])
        pixels = array_to_bgr(values, self.depth_range, self.max_pixels)
        results.setdefault('img_path', None)
        results['img'] = pixels
        results['img_shape'] = results['ori_shape'] = pixels.shape[:2]
        return results

    def _load(self, results: dict) -> dict:
        pixels, size = self._read_once(results['img_path'])
        results['img'] = pixels
        results['img_shape'] = pixels.shape[:2]
        results['ori_shape'] = size
        return results

    def _count(self, path: str, error: UnreadableImageError) -> None:
        new, count = self._unreadable.add(str(path))
        if new:
            MMLogger.get_current_instance().warning(
                f'skipping unreadable image {count}: {error}'
            )
        if count > self.max_unreadable:
            raise TooManyUnreadableError(
                f'{count} images cannot be read, more than '
                f'max_unreadable={self.max_unreadable} of LoadImage allows; '
                f'repair or remove them, the last is {error}'
            )

    def _substitute(self, data_set: Any) -> dict | None:
        """Load another image of mmyolo's data sets, which take no None."""
        if data_set is None:
            return None
        broken: set[int] = set()
        while len(broken) < len(data_set):
            other = np.random.randint(len(data_set))
            results = copy.deepcopy(data_set.get_data_info(other))
            results['dataset'] = data_set
            try:
                return self._load(results)
            except UnreadableImageError as error:
                self._count(results['img_path'], error)
                broken.add(other)
        raise TooManyUnreadableError(
            f'none of the {len(data_set)} images of the data set can be read: '
            'repair or replace them'
        )

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(depth_range={self.depth_range}, '
            f'input_size={self.input_size}, page={self.page}, '
            f'max_pixels={self.max_pixels}, '
            f'max_unreadable={self.max_unreadable}, '
            f'image_cache={self.image_cache})'
        )


def find_load_image(transforms: Iterable[Any]) -> LoadImage | None:
    """Return the step of a pipeline that reads images, if it has one.

    Args:
        transforms: Built ones; those inside others count.
    """
    for step in transforms:
        if isinstance(step, LoadImage):
            return step
        inner = getattr(step, 'transforms', None)
        if isinstance(inner, (list, tuple)):
            found = find_load_image(inner)
            if found is not None:
                return found
    return None


def reading_options(transforms: Iterable[Any]) -> dict[str, Any]:
    """Return how a pipeline reads images, for :func:`read_image`.

    Args:
        transforms: Built ones; those inside others count.
    """
    step = find_load_image(transforms)
    return {} if step is None else step.options
