"""The steps of a detector's test, for each tile of an image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmcv.transforms import BaseTransform

from mmcvgssl.datasets.tiles import TILE_SAMPLE, TILES, TileGrid, check_tiles
from mmcvgssl.registry import TRANSFORMS

# of the whole image, and not of a tile
_LABELS = ('gt_bboxes', 'gt_bboxes_labels', 'gt_ignore_flags', 'gt_masks')


@TRANSFORMS.register_module()
class TiledSteps(BaseTransform):
    """Cut an image into overlapping tiles, and apply steps to each of them.

    It stands behind the step that reads the image, in place of those that
    resize and pack it for a detector, which it does to each tile instead.
    Steps that load annotations load those of the whole image.

    **Required keys:** img, and what the steps need. **Returned keys:** inputs
    (uint8 [T, 3, H, W] of T tiles) and data_samples (that of the image, with
    ``tiles``, where they lie, and ``tile_sample``, the data sample of one).

    Args:
        tile: Side of a tile, pixels of the image.
        overlap: Pixels that neighbouring tiles have in common at least, as
            many as the largest defect has; by default an eighth of ``tile``.
        transforms: Configs of the steps, the last of which packs.

    Raises:
        ValueError: If an option is out of range, or nothing packs.

    Example:
        >>> import numpy as np
        >>> steps = [dict(type='mmdet.Resize', scale=(64, 64))]
        >>> steps += [dict(type='mmdet.PackDetInputs')]
        >>> cut = TiledSteps(tile=64, overlap=8, transforms=steps)
        >>> packed = cut(dict(img=np.zeros((64, 200, 3), np.uint8)))
        >>> packed['inputs'].shape, len(packed['data_samples'].tiles)
        (torch.Size([4, 3, 64, 64]), 4)
    """

    def __init__(
        self,
        tile: int,
        overlap: int | None = None,
        *,
        transforms: Sequence[dict],
    ) -> None:
        checked = check_tiles(tile, overlap, None)
        if checked is None or not transforms:
            raise ValueError(
                'TiledSteps cuts an image into tiles and packs them: expected '
                f'tile=512 and transforms, got tile={tile} and {transforms}'
            )
        self.tiles = checked
        built = [TRANSFORMS.build(step) for step in transforms]
        self.labels = [s for s in built if _loads_labels(s)]
        *self.steps, self.pack = [s for s in built if not _loads_labels(s)]

    def transform(self, results: dict) -> dict:
        """Cut the image, and pack its tiles."""
        image = results['img']
        size = image.shape[:2]
        grid = TileGrid.over(size, *self.tiles)
        height, width = grid.tile
        shared = {
            key: value
            for key, value in results.items()
            if key not in (*_LABELS, 'batch_shape')
        }
        inputs, sample = torch.empty(0), None
        for i, (y, x) in enumerate(grid):
            part = {
                **shared,
                'img': image[y : y + height, x : x + width],
                'img_shape': grid.tile,
                'ori_shape': grid.tile,
                **{'height': height, 'width': width, 'instances': []},
            }
            for step in self.steps:
                part = step(part)
            packed = self.pack(dict(part))
            tile = packed['inputs']
            if sample is None:
                # tiles can take as much memory as the image: none of it twice
                inputs = tile.new_empty((len(grid), *tile.shape))
                sample = packed['data_samples']
            inputs[i] = tile
        whole = {**results, 'img_shape': size, 'ori_shape': size}
        for step in self.labels:
            whole = step(whole)
        whole = {**part, 'instances': [], **whole, 'scale_factor': (1.0, 1.0)}
        del whole['img']
        packed = self.pack(whole)
        packed['data_samples'].set_metainfo({TILES: grid, TILE_SAMPLE: sample})
        return {**packed, 'inputs': inputs}

    def __repr__(self) -> str:
        tile, overlap = self.tiles
        steps = [*self.steps, *self.labels, self.pack]
        return (
            f'{type(self).__name__}(tile={tile}, overlap={overlap}, '
            f'transforms={steps})'
        )


def _loads_labels(step: object) -> bool:
    return type(step).__name__ == 'LoadAnnotations'
