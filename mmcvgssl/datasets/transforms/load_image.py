"""Reading image files as they lie around in factories."""

from __future__ import annotations

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from PIL import Image, ImageOps

from mmcvgssl.registry import TRANSFORMS
from mmcvgssl.utils import upright_size


class UnreadableImageError(OSError):
    """An image file that cannot be decoded in full."""


def read_image(
    path: str,
    depth_range: tuple[float, float] = (0, 65535),
    input_size: int | None = None,
) -> np.ndarray:
    """Decode a file to BGR uint8 [H, W, 3], whatever its mode.

    Grey, palette, RGBA, CMYK and 16-bit files are converted; the orientation
    tag is honoured. A file that ends too early is an error, not a grey bar.

    Args:
        path: The file.
        depth_range: Values of files of more than 8 bits that become 0 and
            255, ``(0, 4095)`` for a 12-bit camera.
        input_size: Side in pixels that the image will be resized to. A JPEG
            is then decoded at a half, a quarter or an eighth, which takes a
            fraction of the time, if both sides stay that long.

    Raises:
        UnreadableImageError: If the file cannot be decoded in full.
    """
    return _decode(path, depth_range, input_size)[0]


def _decode(
    path: str, depth_range: tuple[float, float], input_size: int | None
) -> tuple[np.ndarray, tuple[int, int]]:
    """Do :func:`read_image`; also return the file's height and width."""
    try:
        with Image.open(path) as image:
            shape = upright_size(image)[::-1]
            if input_size:
                image.draft(None, (input_size, input_size))
            image.load()
            upright = ImageOps.exif_transpose(image)
            if upright.mode in ('I', 'F') or upright.mode.startswith('I;'):
                low, high = depth_range
                deep = np.asarray(upright, dtype=np.float32)
                scaled = (deep - low) * (255 / (high - low))
                grey = np.clip(scaled, 0, 255).astype(np.uint8)
                return cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), shape
            if upright.mode == 'L':
                grey = np.asarray(upright)
                return cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), shape
            rgb = np.asarray(upright.convert('RGB'))
    except Image.DecompressionBombError:
        raise
    except Exception as error:
        raise UnreadableImageError(f'{path}: {error}') from error
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), shape


@TRANSFORMS.register_module()
class LoadImage(BaseTransform):
    """Load an image file, strictly.

    **Required keys:** img_path. **Added keys:** img (BGR uint8 [H, W, 3]),
    img_shape (of the array), ori_shape (of the file).

    Args:
        depth_range: See :func:`read_image`.
        input_size: The same. Called as the configs' top-level ``input_size``
            is, so that the command line's reaches it.

    Raises:
        UnreadableImageError: If the file cannot be decoded in full.
    """

    def __init__(
        self,
        depth_range: tuple[float, float] = (0, 65535),
        input_size: int | None = None,
    ) -> None:
        if not depth_range[0] < depth_range[1]:
            raise ValueError(
                f'depth_range must be (low, high), got {depth_range}'
            )
        self.depth_range = (depth_range[0], depth_range[1])
        self.input_size = input_size

    def transform(self, results: dict) -> dict:
        """Read ``results['img_path']``."""
        image, shape = _decode(
            results['img_path'], self.depth_range, self.input_size
        )
        results['img'] = image
        results['img_shape'] = image.shape[:2]
        results['ori_shape'] = shape
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(depth_range={self.depth_range}, '
            f'input_size={self.input_size})'
        )
