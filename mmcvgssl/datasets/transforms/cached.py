"""Cache of images that are read again and again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from mmcvgssl.randomness import GeneratorStates
from mmcvgssl.registry import TRANSFORMS


@TRANSFORMS.register_module()
class Cached(BaseTransform):
    """Run transforms once an image, and store what they add.

    For steps from a path to an image that draw nothing at random. Each
    process of a loader caches its own images; once they fill its share of
    memory, further ones are made each time. They cannot be written into.

    **Required keys:** img_path, and those of the transforms. **Added keys:**
    those of the transforms.

    Args:
        transforms: Configs.
        megabytes: Upper limit of the cache, in each process.

    Raises:
        ValueError: If ``megabytes`` is negative, or a transform draws at
            random.

    Example:
        >>> import cv2
        >>> from tempfile import TemporaryDirectory
        >>> cached = TRANSFORMS.build(
        ...     dict(
        ...         type='mmcvgssl.Cached',
        ...         transforms=[dict(type='mmcvgssl.LoadImage')],
        ...     )
        ... )
        >>> with TemporaryDirectory() as folder:
        ...     path = f'{folder}/1.png'
        ...     saved = cv2.imwrite(path, np.zeros((8, 8, 3), np.uint8))
        ...     first = cached(dict(img_path=path))
        >>> cached(dict(img_path=path))['img'].shape  # the file is gone
        (8, 8, 3)
    """

    def __init__(
        self, transforms: Sequence[dict], megabytes: float = 512
    ) -> None:
        if megabytes < 0:
            raise ValueError(f'megabytes is 0 or more, got {megabytes}')
        self.transforms = [TRANSFORMS.build(step) for step in transforms]
        self.megabytes = megabytes
        self._cache: dict[str, dict[str, Any]] = {}
        self._free = megabytes * 2**20

    def transform(self, results: dict) -> dict:
        """Make what the transforms add to ``results['img_path']``."""
        path = results['img_path']
        if path in self._cache:
            return {**results, **self._cache[path]}
        made = dict(results)
        before = GeneratorStates.read()
        for step in self.transforms:
            made = step(made)
        if not before.unchanged():
            raise ValueError(
                'Cached stores what its transforms make, and one of '
                f'{[type(step).__name__ for step in self.transforms]} draws '
                'at random: move it behind Cached in the pipeline'
            )
        added = {k: v for k, v in made.items() if k not in results}
        arrays = [v for v in added.values() if isinstance(v, np.ndarray)]
        size = sum(array.nbytes for array in arrays)
        if size <= self._free:
            self._free -= size
            self._cache[path] = added
            for array in arrays:
                array.flags.writeable = False
        return made

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(transforms={self.transforms}, '
            f'megabytes={self.megabytes})'
        )
