"""Resizing to a square: an image, or tiles of it."""

from __future__ import annotations

import numpy as np
from mmcv.transforms import Resize

from mmcvgssl.datasets.tiles import (
    TILES,
    TileGrid,
    check_input_size,
    check_tiles,
)
from mmcvgssl.registry import TRANSFORMS


@TRANSFORMS.register_module()
class SquareResize(Resize):
    """mmcv's ``Resize`` to a square, whatever the image's shape.

    Its options are called as the configs' top-level ones are, so that those
    of the command line reach it. With ``tile`` the image is cut into
    overlapping tiles, and each is resized, so that small defects stay
    visible.

    **Required keys:** img.
    **Modified keys:** img (with ``tile``: uint8 [T, 3, S, S] for T tiles and
    S = ``input_size``), img_shape, scale, scale_factor.
    **Added keys:** tiles (a :class:`~mmcvgssl.datasets.tiles.TileGrid`), with
    ``tile``.

    Args:
        input_size: Side in pixels.
        tile: Side of a tile in pixels of the image; ``'auto'``: that of
            ``input_size``, so that nothing is scaled; None: no tiles.
        overlap: Pixels that neighbouring tiles have in common at least; by
            default an eighth of ``tile``.
        **kwargs: Options of ``Resize``, as ``interpolation``.

    Raises:
        ValueError: If an option is out of range.

    Example:
        >>> resize = TRANSFORMS.build(
        ...     dict(type='mmcvgssl.SquareResize', input_size=16)
        ... )
        >>> resize(dict(img=np.zeros((8, 12, 3), np.uint8)))['img'].shape
        (16, 16, 3)
        >>> cut = SquareResize(input_size=64, tile='auto', overlap=8)
        >>> cut(dict(img=np.zeros((64, 200, 3), np.uint8)))['img'].shape
        (4, 3, 64, 64)
    """

    def __init__(
        self,
        input_size: int,
        tile: int | str | None = None,
        overlap: int | None = None,
        **kwargs,
    ) -> None:
        check_input_size(input_size)
        self.tiles = check_tiles(tile, overlap, input_size)
        super().__init__(
            scale=(input_size, input_size), keep_ratio=False, **kwargs
        )

    def transform(self, results: dict) -> dict:
        """Resize the image, or cut it and resize each tile."""
        if self.tiles is None:
            return super().transform(results)
        image = results['img']
        grid = TileGrid.over(image.shape[:2], *self.tiles)
        height, width = grid.tile
        side = self.scale[0]
        channels = image.shape[2] if image.ndim == 3 else 1
        # tiles can take as much memory as the image: none of it twice
        tiles = np.empty((len(grid), channels, side, side), image.dtype)
        for i, (y, x) in enumerate(grid):
            part = {'img': image[y : y + height, x : x + width]}
            small = super().transform(part)['img']
            tiles[i] = np.atleast_3d(small).transpose(2, 0, 1)
        results['img'] = tiles
        results['img_shape'] = side, side
        results[TILES] = grid
        return results
