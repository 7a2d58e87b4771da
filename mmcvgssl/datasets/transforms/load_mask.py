"""Reading the masks of defects."""

from __future__ import annotations

import logging

import numpy as np
from mmcv.transforms import BaseTransform

from mmcvgssl.datasets.reading import read_mask
from mmcvgssl.datasets.reading.masks import check_mask_options
from mmcvgssl.registry import TRANSFORMS
from mmcvgssl.utils import log_once


@TRANSFORMS.register_module()
class LoadMask(BaseTransform):
    """Load the mask of an image's defects, at the file's resolution.

    A good image without a mask gets zeros. Where a defect's mask is missing,
    its location is unknown, and there is no ``gt_mask``. mmcv's transforms do
    not touch ``gt_mask``, so it stays as large as the image file.

    **Required keys:** img_path, mask_path, gt_label, ori_shape. **Added
    keys:** gt_mask (uint8 [H, W], 1 is defect).

    Args:
        threshold: See :func:`read_mask`.
        required: Whether a defect without a mask is an error.
        channel: See :func:`read_mask`.
        page: See :func:`read_image`.
        max_pixels: See :func:`read_image`.

    Raises:
        UnreadableImageError: If a mask cannot be decoded.
        ValueError: If a mask has another size than its image, or shows a
            defect of a good image, or is missing though ``required``.

    Example:
        >>> load = TRANSFORMS.build(dict(type='mmcvgssl.LoadMask'))
        >>> good = dict(img_path='1.png', mask_path=None, gt_label=0)
        >>> load({**good, 'ori_shape': (2, 3)})['gt_mask']
        array([[0, 0, 0],
               [0, 0, 0]], dtype=uint8)
    """

    def __init__(
        self,
        threshold: float = 0,
        required: bool = False,
        channel: str = 'auto',
        page: int | None = None,
        max_pixels: int | None = None,
    ) -> None:
        check_mask_options(threshold, channel)
        self.threshold = threshold
        self.required = required
        self.channel = channel
        self.page = page
        self.max_pixels = max_pixels

    def transform(self, results: dict) -> dict:
        """Read ``results['mask_path']``."""
        image, path = results['img_path'], results['mask_path']
        shape = tuple(results['ori_shape'])
        good = int(results['gt_label']) == 0
        if path is None:
            if good:
                results['gt_mask'] = np.zeros(shape, np.uint8)
            elif self.required:
                raise ValueError(
                    f'{image} is defective, but has no mask; add it, or set '
                    'required=False of LoadMask'
                )
            return results
        mask = read_mask(
            path, self.threshold, self.channel, self.page, self.max_pixels
        )
        if mask.shape != shape:
            raise ValueError(
                f'the mask {path} is {_size(mask.shape)} and its image '
                f'{image} {_size(shape)}; they must be of one size'
            )
        if good and mask.any():
            raise ValueError(
                f'{image} is good, but its mask {path} has {mask.sum()} '
                f'pixels above {self.threshold}; correct either, or raise '
                'threshold of LoadMask'
            )
        if not good and not mask.any():
            log_once(
                f'{image} is defective, but its mask {path} marks no pixel',
                logging.WARNING,
                'empty mask',
            )
        results['gt_mask'] = mask
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(threshold={self.threshold}, '
            f'required={self.required}, channel={self.channel!r}, '
            f'page={self.page}, max_pixels={self.max_pixels})'
        )


def _size(shape: tuple[int, ...]) -> str:
    return f'{shape[1]} wide and {shape[0]} high'
