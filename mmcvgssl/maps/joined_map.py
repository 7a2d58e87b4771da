"""One map of an image, from the maps of its tiles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmcvgssl.datasets.tiles import TileGrid
from mmcvgssl.maps.geometry import value_positions


class JoinedMap:
    """Joins the maps of tiles, without seams.

    The map of a tile covers it from corner pixel to corner pixel, and so does
    the joined map the image: see :func:`~mmcvgssl.maps.resize_map`. Its values
    lie as close as those of the tiles. Where tiles overlap, a value is the
    mean of theirs, with weights that fall to the border of a tile, where it
    sees least of what is around.

    Args:
        grid: Where the tiles lie.

    Example:
        >>> grid = TileGrid.over((1, 5), tile=3, overlap=1)
        >>> joined = JoinedMap(grid)
        >>> joined.add(np.array([[[0.0, 1.0, 2.0]], [[2.0, 3.0, 4.0]]]))
        >>> joined.result()
        array([[0., 1., 2., 3., 4.]], dtype=float32)
    """

    def __init__(self, grid: TileGrid) -> None:
        self.grid = grid
        self._count = 0
        self._origins = list(grid)
        self._sum: np.ndarray = np.zeros(0)
        self._weight: np.ndarray = np.zeros(0)
        # where the values of a tile count, and how much, by axis and start
        self._tables: dict[tuple[int, int], tuple[slice, np.ndarray]] = {}

    def add(self, maps: np.ndarray) -> None:
        """Add the maps [n, h, w] of the next tiles.

        Raises:
            ValueError: If there are more maps than tiles.
        """
        if self._count + len(maps) > len(self.grid):
            raise ValueError(
                f'expected the maps of {len(self.grid)} tiles, got '
                f'{self._count + len(maps)}'
            )
        if not self._count:
            self._begin(maps)
        for one in maps.astype(np.float64):
            y, x = self._origins[self._count]
            (down, rows), (across, columns) = (
                self._tables[0, y],
                self._tables[1, x],
            )
            self._sum[down, across] += rows @ one @ columns.T
            weight = rows.sum(1)[:, None] * columns.sum(1)
            self._weight[down, across] += weight
            self._count += 1

    def result(self) -> np.ndarray:
        """Return the map of the image, float32 [h, w].

        Raises:
            ValueError: If maps of tiles are missing.
        """
        if self._count < len(self.grid):
            raise ValueError(
                f'expected the maps of {len(self.grid)} tiles, got '
                f'{self._count}'
            )
        return (self._sum / self._weight).astype(np.float32)

    def _begin(self, maps: np.ndarray) -> None:
        shape = []
        for axis, starts in enumerate((self.grid.rows, self.grid.columns)):
            side, tile = self.grid.size[axis], self.grid.tile[axis]
            values = maps.shape[1 + axis]
            count = _count(side, tile, values)
            shape.append(count)
            at = value_positions(count, 0, side)
            for start in starts:
                table = _table(
                    at, start, tile, values, self.grid.overlap, starts
                )
                used = np.flatnonzero(table.any(1))
                # a small tile may lie between two values of the whole
                part = slice(*((used[0], used[-1] + 1) if used.size else [0]))
                self._tables[axis, start] = part, table[part]
        self._sum, self._weight = np.zeros(shape), np.zeros(shape)


def _count(side: int, tile: int, values: int) -> int:
    """Return the values of a whole side, as close as those of a tile."""
    if side == tile:
        return values
    if values == 1:
        return max(round(side / tile), 1)
    return max(round((side - 1) * (values - 1) / (tile - 1)) + 1, 1)


def _table(
    at: np.ndarray,
    start: int,
    tile: int,
    values: int,
    overlap: int,
    starts: Sequence[int],
) -> np.ndarray:
    """Return what each value of a tile adds to each value of the whole.

    Args:
        at: Positions of the whole's values along an axis, pixels [n].
        start: First pixel of the tile.
        tile: Pixels of the tile.
        values: Values of the tile.
        overlap: Pixels over which weights fall to its borders.
        starts: First pixels of all tiles of the axis.

    Returns:
        Weights times linear interpolation, float64 [n, values].
    """
    last = start + tile - 1
    own = value_positions(values, start, tile)
    # between two tiles that do not overlap, the nearer one counts
    more = 1e-6 if overlap else 0.5
    inside = (at >= start - more) & (at <= last + more)
    clamped = at.clip(start, last)
    table: np.ndarray
    if values == 1:
        table = np.ones((len(at), 1))
    elif tile == 1:  # of an image of one pixel: all values lie on it
        table = np.eye(values)
    else:
        apart = np.abs(clamped[:, None] - own) / (own[1] - own[0])
        table = (1 - apart).clip(min=0)
    weight = np.ones_like(at)
    ramp = max(overlap, 1) + 1
    if start != starts[0]:
        weight = np.minimum(weight, (at - start + 1) / ramp)
    if start != starts[-1]:
        weight = np.minimum(weight, (last + 1 - at) / ramp)
    return table * (weight.clip(min=0) * inside)[:, None]
