"""Patches by the position of their tile, of images that lie alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from mmcvgssl.datasets.tiles import TileGrid
from mmcvgssl.models.anomaly.coreset import PatchPool
from mmcvgssl.models.anomaly.fitted_state import FittedStateError, part_of

IN_TILES = (
    'PatchCore with per_position=True compares a tile with the tiles at its '
    'position: expected images in tiles, got whole ones; set tile=512, take '
    'it out of an ensemble, or leave per_position out'
)


class PositionPools:
    """A :class:`PatchPool` for each position of a tile.

    Args:
        size: Patches in all of them at most.
        seed: Seed of their keys.
        known: Height and width of the images, if an earlier fit has settled
            them.
    """

    def __init__(
        self, size: int, seed: int = 0, known: Sequence[int] | None = None
    ) -> None:
        self.size, self.seed = size, seed
        self.image = None if known is None else tuple(map(int, known))
        self.pools: list[PatchPool] = []

    def add(self, made: tuple[str, TileGrid, list[Tensor]]) -> None:
        """Add the path of an image, its grid and patches of its tiles.

        Raises:
            ValueError: If it has another size than those before.
        """
        path, grid, rows = made
        self.image = self.image or grid.size
        check_size(grid, self.image, path)
        if not self.pools:
            self._make(len(grid))
        for pool, patches in zip(self.pools, rows, strict=True):
            pool.add(patches)

    def _make(self, count: int) -> None:
        each = max(self.size // count, 1)
        self.pools = [PatchPool(each, self.seed + i) for i in range(count)]

    def state_dict(self) -> dict[str, Tensor]:
        """Return the samples so far."""
        known = {'image': torch.tensor(self.image or (0, 0))}
        return known | {
            f'{i}.{key}': value
            for i, pool in enumerate(self.pools)
            for key, value in pool.state_dict().items()
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take what :meth:`state_dict` gave."""
        height, width = state['image'].tolist()
        self.image = (height, width) if height else None
        count = len({key.partition('.')[0] for key in state} - {'image'})
        self._make(max(count, 1))
        del self.pools[count:]
        for i, pool in enumerate(self.pools):
            pool.load_state_dict(part_of(state, str(i)))


def memories_of(state: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """Return the memory of each position, with its scales.

    Args:
        state: Fitted state, with ``memory`` [n, D], ``position`` [n] in
            ascending order and, if there are some, ``scale`` [n].
    """
    counts = state['position'].bincount().tolist()
    parts = {
        key: state[key].split(counts)
        for key in ('memory', 'scale')
        if key in state
    }
    return [
        {key: part[i] for key, part in parts.items()}
        for i in range(len(counts))
    ]


def check_size(grid: TileGrid, expected: Sequence[int], path: Any) -> None:
    """Refuse an image of another size than those fitted to.

    Raises:
        ValueError: Names both.
    """
    if tuple(grid.size) == tuple(expected):
        return
    raise ValueError(
        f'{path}: expected an image of {expected[0]} x {expected[1]} pixels, '
        'as the others that per_position=True was fitted to, got one of '
        f'{grid.size[0]} x {grid.size[1]}: leave it out, or fit with '
        'per_position=False'
    )


def check_count(grid: TileGrid, expected: int, path: Any) -> None:
    """Refuse an image that is cut into other tiles than those fitted to.

    Raises:
        ValueError: Names both numbers of tiles.
    """
    if len(grid) == expected:
        return
    raise ValueError(
        f'{path}: expected {expected} tiles, as those that per_position=True '
        f'was fitted to, got {len(grid)}: cut it with the tile and overlap '
        'of the fit'
    )


def check_positions(position: Tensor, where: str) -> None:
    """Check that a memory has patches of each position, in order.

    Args:
        position: Position of each patch, [n].
        where: The file, for messages.

    Raises:
        FittedStateError: If one is missing, or they are not in order.
    """
    steps = position.diff()
    if int(position[0]) == 0 and bool(((steps == 0) | (steps == 1)).all()):
        return
    raise FittedStateError(
        f'{where}: expected the patches of `position` 0, 1, 2 and so on, one '
        f'after the other, got {position.tolist()!s:.60}; the file is '
        'damaged: fit anew'
    )
