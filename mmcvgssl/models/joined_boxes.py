"""Boxes of one image, from the boxes of its tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from mmcv.ops import batched_nms
from mmengine.structures import InstanceData
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from mmcvgssl.datasets.tiles import TileGrid

# share of a tile's side within which a box counts as ending at its border
_BORDER = 1 / 64
# of two views of one thing, the lower score is this share of the other's
_SCORES = 0.5
# shared area of two views of one thing, as a share
_SHARED = 0.5
# boxes that are compared at once with all others
_CHUNK = 512


def join_boxes(
    found: Sequence[InstanceData], grid: TileGrid, iou_threshold: float
) -> InstanceData:
    """Join the boxes of an image's tiles.

    A box that ends at a border between tiles may be that of a part. It is
    dropped where another tile sees the whole: a box of the same class that
    ends at no such border and holds most of it. What no tile sees whole, as
    it is larger than the overlap, is joined of its parts, where they agree in
    the overlap. Boxes of one class that tell the same are then suppressed as
    within an image.

    Args:
        found: Boxes of each tile, in pixels of the tile, with ``bboxes`` [n,
            4], ``scores`` and ``labels`` [n].
        grid: Where the tiles lie.
        iou_threshold: Boxes of one class whose intersection over union is
            larger are one.

    Returns:
        Boxes in pixels of the image, the highest score first, on the CPU.

    Raises:
        ValueError: If there are not as many parts as tiles.

    Example:
        >>> grid = TileGrid.over((100, 180), tile=100, overlap=20)
        >>> left, right = (
        ...     InstanceData(
        ...         bboxes=torch.tensor([box]),
        ...         scores=torch.tensor([0.9]),
        ...         labels=torch.tensor([0]),
        ...     )
        ...     for box in ([60.0, 40, 100, 50], [0.0, 40, 70, 50])
        ... )
        >>> join_boxes([left, right], grid, 0.5).bboxes
        tensor([[ 60.,  40., 150.,  50.]])
    """
    if len(found) != len(grid):
        raise ValueError(
            f'expected the boxes of {len(grid)} tiles, got {len(found)}'
        )
    parts = [part.to('cpu') for part in found]
    boxes = torch.cat(
        [
            part.bboxes.float() + torch.tensor([x, y, x, y])
            for part, (y, x) in zip(parts, grid, strict=True)
        ]
    )
    scores = torch.cat([part.scores.float() for part in parts])
    labels = torch.cat([part.labels for part in parts])
    if len(grid) > 1 and len(boxes):
        counts = torch.tensor([len(part.scores) for part in parts])
        tiles = torch.arange(len(parts)).repeat_interleave(counts)
        views = _Views(boxes, scores, labels, tiles, _rects(grid)[tiles])
        boxes, scores, labels = views.without_parts(grid).joined()
        nms = dict(type='nms', iou_threshold=iou_threshold)
        _, chosen = batched_nms(boxes, scores, labels, nms)
        boxes, scores, labels = boxes[chosen], scores[chosen], labels[chosen]
    return InstanceData(bboxes=boxes, scores=scores, labels=labels)


@dataclass
class _Views:
    """Boxes [n, 4] of the image with their tiles, and which are cut."""

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    tiles: Tensor
    rects: Tensor  # [n, 4], of the tiles
    cut: Tensor | None = None

    def without_parts(self, grid: TileGrid) -> _Views:
        """Drop what is cut, and seen whole in another tile."""
        cut = _ends_between_tiles(self.boxes, self.rects, grid)
        parts, wholes = cut.nonzero()[:, 0], (~cut).nonzero()[:, 0]
        chosen = torch.ones_like(cut)
        for some in parts.split(_CHUNK):
            shared = _intersections(self.boxes[some], self.boxes[wholes])
            most = shared >= _SHARED * _areas(self.boxes[some])[:, None]
            alike = self._alike(some, wholes, _SCORES)
            chosen[some] = ~(most & alike).any(1)
        return _Views(
            self.boxes[chosen],
            self.scores[chosen],
            self.labels[chosen],
            self.tiles[chosen],
            self.rects[chosen],
            cut[chosen],
        )

    def joined(self) -> tuple[Tensor, Tensor, Tensor]:
        """Join parts that agree where their tiles overlap."""
        if self.cut is None:
            raise ValueError('expected views of which it is known what is cut')
        parts = self.cut.nonzero()[:, 0]
        pairs = []
        for first in range(0, len(parts), _CHUNK):
            some = parts[first : first + _CHUNK]
            agree = self._alike(some, parts, _SCORES)
            agree &= self._alike(parts, some, _SCORES).T
            rows, columns = agree.nonzero(as_tuple=True)
            own, other = some[rows], parts[columns]
            strips = _intersect(self.rects[own], self.rects[other])
            one = _intersect(self.boxes[own], strips)
            two = _intersect(self.boxes[other], strips)
            shared = _areas(_intersect(one, two))
            union = _areas(one) + _areas(two) - shared
            same = (shared > 0) & (shared >= _SHARED * union)
            pairs.append(torch.stack([own[same], other[same]]))
        edges = torch.cat(pairs, 1) if pairs else torch.zeros(2, 0).long()
        count = len(self.boxes)
        graph = coo_matrix(
            (torch.ones(edges.shape[1]).numpy(), edges.numpy()),
            shape=(count, count),
        )
        _, groups = connected_components(graph, directed=False)
        group = torch.from_numpy(groups).long()
        size = int(group.max()) + 1 if count else 0
        where = group[:, None].expand(-1, 2)
        low = torch.zeros(size, 2).scatter_reduce(
            0, where, self.boxes[:, :2], 'amin', include_self=False
        )
        high = torch.zeros(size, 2).scatter_reduce(
            0, where, self.boxes[:, 2:], 'amax', include_self=False
        )
        scores = torch.zeros(size).scatter_reduce(
            0, group, self.scores, 'amax', include_self=False
        )
        labels = torch.zeros(size, dtype=self.labels.dtype)
        labels[group] = self.labels
        return torch.cat([low, high], 1), scores, labels

    def _alike(self, some: Tensor, others: Tensor, share: float) -> Tensor:
        """Return which others, of other tiles, may be of the same things.

        Their class is the same, and their score is at least a share of that
        of ``some``.
        """
        return (
            (self.labels[some][:, None] == self.labels[others])
            & (self.tiles[some][:, None] != self.tiles[others])
            & (self.scores[others] >= share * self.scores[some][:, None])
        )


def _rects(grid: TileGrid) -> Tensor:
    """Return the tiles as boxes [T, 4]."""
    height, width = grid.tile
    rects = [[x, y, x + width, y + height] for y, x in grid]
    return torch.tensor(rects).float()


def _ends_between_tiles(
    boxes: Tensor, rects: Tensor, grid: TileGrid
) -> Tensor:
    """Return which boxes end at a border of their tile inside the image."""
    height, width = grid.tile
    near = torch.tensor([width, height, width, height]) * _BORDER
    at_border = (boxes - rects).abs() <= near.clamp(min=2)
    size = torch.tensor([grid.size[1], grid.size[0]]).float()
    inner = torch.cat([rects[:, :2] > 0, rects[:, 2:] < size], 1)
    return (at_border & inner).any(1)


def _areas(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)


def _intersect(one: Tensor, other: Tensor) -> Tensor:
    low = torch.maximum(one[..., :2], other[..., :2])
    return torch.cat(
        [low, torch.minimum(one[..., 2:], other[..., 2:])], dim=-1
    )


def _intersections(some: Tensor, others: Tensor) -> Tensor:
    """Return the areas [n, m] that boxes have in common."""
    return _areas(_intersect(some[:, None], others[None]))
