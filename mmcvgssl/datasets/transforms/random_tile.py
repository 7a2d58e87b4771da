"""Tiles to train on."""

from __future__ import annotations

import numpy as np
from mmcv.transforms import BaseTransform

from mmcvgssl.datasets.tiles import TileGrid, check_tiles
from mmcvgssl.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomTile(BaseTransform):
    """Cut one tile out of an image, at a random place.

    A side of the image that is shorter than the tile is taken whole, as
    :class:`SquareResize` does it.

    **Required keys:** img. **Modified keys:** img, img_shape.

    Args:
        tile: Side of the tile, pixels.

    Raises:
        ValueError: If it is out of range.

    Example:
        >>> cut = TRANSFORMS.build(dict(type='mmcvgssl.RandomTile', tile=64))
        >>> cut(dict(img=np.zeros((40, 200, 3), np.uint8)))['img'].shape
        (40, 64, 3)
    """

    def __init__(self, tile: int) -> None:
        checked = check_tiles(tile, None, None)
        if checked is None:
            raise ValueError(
                'RandomTile cuts a tile: expected tile=512 or another number '
                'of pixels, got none'
            )
        self.tile = checked[0]

    def transform(self, results: dict) -> dict:
        """Cut the tile."""
        image = results['img']
        height, width = TileGrid.over(image.shape[:2], self.tile).tile
        y = np.random.randint(image.shape[0] - height + 1)
        x = np.random.randint(image.shape[1] - width + 1)
        results['img'] = image[y : y + height, x : x + width]
        results['img_shape'] = results['img'].shape[:2]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(tile={self.tile})'
