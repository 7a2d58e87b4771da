"""Reading the masks of defects."""

from __future__ import annotations

import numpy as np
from mmcv.transforms import BaseTransform
from PIL import Image, ImageOps

from mmcvgssl.datasets.transforms.load_image import UnreadableImageError
from mmcvgssl.registry import TRANSFORMS


def read_mask(path: str, threshold: float = 0) -> np.ndarray:
    """Decode a mask to uint8 [H, W] in {0, 1}.

    Args:
        path: The file; of a coloured one the brightest channel counts.
        threshold: Values above it are defect, as the file holds them: up to
            255, or up to 65535 in a file of 16 bits.

    Raises:
        UnreadableImageError: If the file cannot be decoded in full.
    """
    try:
        with Image.open(path) as image:
            image.load()
            upright = ImageOps.exif_transpose(image)
            deep = upright.mode in ('I', 'F') or upright.mode.startswith('I;')
            values = np.asarray(upright if deep else upright.convert('RGB'))
    except Image.DecompressionBombError:
        raise
    except Exception as error:
        raise UnreadableImageError(f'{path}: {error}') from error
    if values.ndim == 3:
        values = values.max(axis=2)
    return (values > threshold).astype(np.uint8)


@TRANSFORMS.register_module()
class LoadMask(BaseTransform):
    """Load the mask of an image's defects, at the file's resolution.

    A good image without a mask gets zeros. Where a defect's mask is missing,
    its place is unknown, and there is no ``gt_mask``. mmcv's transforms do
    not touch ``gt_mask``, so it stays as large as the image file.

    **Required keys:** img_path, mask_path, gt_label, ori_shape. **Added
    keys:** gt_mask (uint8 [H, W], 1 is defect).

    Args:
        threshold: See :func:`read_mask`.
        required: Whether a defect without a mask is an error.

    Raises:
        UnreadableImageError: If a mask cannot be decoded.
        ValueError: If a mask has another size than its image, or shows a
            defect of a good image, or is missing though ``required``.
    """

    def __init__(self, threshold: float = 0, required: bool = False) -> None:
        if threshold < 0:
            raise ValueError(
                f'threshold is 0 or more, got {threshold}; values above it '
                'are defect'
            )
        self.threshold = threshold
        self.required = required

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
        mask = read_mask(path, self.threshold)
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
        results['gt_mask'] = mask
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(threshold={self.threshold}, '
            f'required={self.required})'
        )


def _size(shape: tuple[int, ...]) -> str:
    return f'{shape[1]} wide and {shape[0]} high'
