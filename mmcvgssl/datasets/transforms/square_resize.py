"""Resizing to a square."""

from __future__ import annotations

from mmcv.transforms import Resize

from mmcvgssl.registry import TRANSFORMS


@TRANSFORMS.register_module()
class SquareResize(Resize):
    """mmcv's ``Resize`` to a square, whatever the image's shape.

    Its option is called as the configs' top-level ``input_size`` is, so that
    the command line's reaches it.

    Args:
        input_size: Side in pixels.
        **kwargs: Options of ``Resize``, as ``interpolation``.

    Raises:
        ValueError: If the side is no positive integer.

    Example:
        >>> import numpy as np
        >>> resize = TRANSFORMS.build(
        ...     dict(type='mmcvgssl.SquareResize', input_size=16)
        ... )
        >>> resize(dict(img=np.zeros((8, 12, 3), np.uint8)))['img'].shape
        (16, 16, 3)
    """

    def __init__(self, input_size: int, **kwargs) -> None:
        if not isinstance(input_size, int) or input_size < 1:
            raise ValueError(
                f'input_size is a number of pixels, got {input_size!r}'
            )
        super().__init__(
            scale=(input_size, input_size), keep_ratio=False, **kwargs
        )
