"""Boxes of one image, from the boxes of its tiles; without torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmcvgssl.datasets.tiles import TileGrid
from mmcvgssl.maps.nms import nms

# intersection over union of boxes that are one, of models that say none
JOINED_IOU = 0.5
# share of a tile's side within which a box counts as ending at its border
_BORDER = 1 / 64
# of two views of one thing, the lower score is this share of the other's
_SCORES = 0.5
# shared area of two views of one thing, as a share
_SHARED = 0.5
# boxes that are compared at once with all others
_CHUNK = 512


def join_tables(
    found: Sequence[Mapping[str, np.ndarray]],
    grid: TileGrid,
    iou_threshold: float,
) -> dict[str, np.ndarray]:
    """Join the boxes of an image's tiles.

    A box that ends at a border between tiles may be that of a part. It is
    dropped where another tile sees the whole: a box of the same class that
    ends at no such border and holds most of it. What no tile sees whole, as
    it is larger than the overlap, is joined of its parts, where they agree in
    the overlap. Boxes of one class that tell the same are then suppressed as
    within an image.

    Args:
        found: Boxes of each tile, in pixels of the tile: ``boxes`` [n, 4],
            ``scores`` and ``labels`` [n].
        grid: Where the tiles lie.
        iou_threshold: Boxes of one class whose intersection over union is
            larger are one.

    Returns:
        The same of the image, in its pixels, the highest score first.

    Raises:
        ValueError: If there are not as many parts as tiles.

    Example:
        >>> grid = TileGrid.over((100, 180), tile=100, overlap=20)
        >>> left, right = (
        ...     dict(
        ...         boxes=np.array([box], np.float32),
        ...         scores=np.array([0.9], np.float32),
        ...         labels=np.array([0]),
        ...     )
        ...     for box in ([60, 40, 100, 50], [0, 40, 70, 50])
        ... )
        >>> join_tables([left, right], grid, 0.5)['boxes'].tolist()
        [[60.0, 40.0, 150.0, 50.0]]
    """
    if len(found) != len(grid):
        raise ValueError(
            f'expected the boxes of {len(grid)} tiles, got {len(found)}'
        )
    boxes = np.concatenate(
        [
            part['boxes'].astype(np.float32)
            + np.array([x, y, x, y], np.float32)
            for part, (y, x) in zip(found, grid, strict=True)
        ]
    )
    scores = np.concatenate([part['scores'] for part in found])
    labels = np.concatenate([part['labels'] for part in found])
    if len(grid) > 1 and len(boxes):
        counts = [len(part['scores']) for part in found]
        tiles = np.repeat(np.arange(len(found)), counts)
        views = _Views(boxes, scores, labels, tiles, _rects(grid)[tiles])
        boxes, scores, labels = _joined(*_without_parts(views, grid))
        order = np.argsort(-scores, kind='stable')
        order = order[nms(boxes[order], labels[order], iou_threshold)]
        boxes, scores, labels = boxes[order], scores[order], labels[order]
    return {'boxes': boxes, 'scores': scores, 'labels': labels}


@dataclass
class _Views:
    """Boxes [n, 4] of the image with their tiles."""

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    tiles: np.ndarray
    rects: np.ndarray  # [n, 4], of the tiles

    def of(self, chosen: np.ndarray) -> _Views:
        """Return some of them."""
        return _Views(
            self.boxes[chosen],
            self.scores[chosen],
            self.labels[chosen],
            self.tiles[chosen],
            self.rects[chosen],
        )

    def alike(self, some: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Return which others, of other tiles, may be of the same things.

        Their class is the same, and their score is at least a share of that
        of ``some``.
        """
        least = _SCORES * self.scores[some][:, None]
        return (
            (self.labels[some][:, None] == self.labels[others])
            & (self.tiles[some][:, None] != self.tiles[others])
            & (self.scores[others] >= least)
        )


def _without_parts(views: _Views, grid: TileGrid) -> tuple[_Views, np.ndarray]:
    """Drop what is cut, and seen whole in another tile.

    Returns the rest, and which of it is cut.
    """
    cut = _ends_between_tiles(views.boxes, views.rects, grid)
    parts, wholes = np.flatnonzero(cut), np.flatnonzero(~cut)
    chosen = np.ones_like(cut)
    for some in _chunks(parts):
        own = views.boxes[some]
        shared = _areas(_intersect(own[:, None], views.boxes[wholes][None]))
        most = shared >= _SHARED * _areas(own)[:, None]
        chosen[some] = ~(most & views.alike(some, wholes)).any(1)
    return views.of(chosen), cut[chosen]


def _joined(
    views: _Views, cut: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Join parts that agree where their tiles overlap."""
    parts = np.flatnonzero(cut)
    pairs = [np.zeros((2, 0), np.int64)]
    for some in _chunks(parts):
        agree = views.alike(some, parts) & views.alike(parts, some).T
        rows, columns = np.nonzero(agree)
        own, other = some[rows], parts[columns]
        strips = _intersect(views.rects[own], views.rects[other])
        one = _intersect(views.boxes[own], strips)
        two = _intersect(views.boxes[other], strips)
        shared = _areas(_intersect(one, two))
        union = _areas(one) + _areas(two) - shared
        same = (shared > 0) & (shared >= _SHARED * union)
        pairs.append(np.stack([own[same], other[same]]))
    group = _groups(len(views.boxes), np.concatenate(pairs, 1))
    size = int(group.max(initial=-1)) + 1
    low = np.full((size, 2), np.inf, np.float32)
    np.minimum.at(low, group, views.boxes[:, :2])
    high = np.full((size, 2), -np.inf, np.float32)
    np.maximum.at(high, group, views.boxes[:, 2:])
    scores = np.full(size, -np.inf, np.float32)
    np.maximum.at(scores, group, views.scores)
    labels = np.zeros(size, views.labels.dtype)
    labels[group] = views.labels
    return np.concatenate([low, high], 1), scores, labels


def _groups(count: int, edges: np.ndarray) -> np.ndarray:
    """Number [count] what edges [2, E] connect, from 0 on."""
    group = np.arange(count)
    while True:
        lowest = group.copy()
        np.minimum.at(lowest, edges[0], group[edges[1]])
        np.minimum.at(lowest, edges[1], group[edges[0]])
        if (lowest == group).all():
            return np.unique(group, return_inverse=True)[1]
        group = lowest[lowest]


def _chunks(items: np.ndarray) -> Iterator[np.ndarray]:
    for first in range(0, len(items), _CHUNK):
        yield items[first : first + _CHUNK]


def _rects(grid: TileGrid) -> np.ndarray:
    """Return the tiles as boxes [T, 4]."""
    height, width = grid.tile
    rects = [[x, y, x + width, y + height] for y, x in grid]
    return np.array(rects, np.float32)


def _ends_between_tiles(
    boxes: np.ndarray, rects: np.ndarray, grid: TileGrid
) -> np.ndarray:
    """Return which boxes end at a border of their tile inside the image."""
    height, width = grid.tile
    near = np.array([width, height] * 2, np.float32) * np.float32(_BORDER)
    at_border = np.abs(boxes - rects) <= near.clip(min=2)
    size = np.array([grid.size[1], grid.size[0]], np.float32)
    inner = np.concatenate([rects[:, :2] > 0, rects[:, 2:] < size], 1)
    return (at_border & inner).any(1)


def _areas(boxes: np.ndarray) -> np.ndarray:
    return (boxes[..., 2:] - boxes[..., :2]).clip(min=0).prod(-1)


def _intersect(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    low = np.maximum(one[..., :2], other[..., :2])
    high = np.minimum(one[..., 2:], other[..., 2:])
    return np.concatenate([low, high], axis=-1)
