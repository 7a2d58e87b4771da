"""Local features of a frozen image encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmcvgssl.models.teachers import FrozenTeacher
from mmcvgssl.provenance import of_config
from mmcvgssl.registry import MODELS
from mmcvgssl.utils import check_least

COARSEST = 'coarsest'


class PatchFeatures(nn.Module):
    """Maps of several levels of a teacher on one grid.

    Each level is averaged over a small neighbourhood, resized to the finest
    level's grid and L2-normalised or not; then levels are concatenated.

    Args:
        teacher: A :class:`FrozenTeacher` with ``levels``, or its config.
        neighbourhood: Side of the average, odd; 1 leaves levels as they are.
        normalise: Give every level of every patch unit length, so that no
            level outweighs another.
        count_include_pad: Count zeros beyond the borders in averages, as
            PatchCore's authors do, so that patches at borders are shorter.
        grid: Height and width of the maps; by default the finest level's, or
            the ``'coarsest'`` level's.

    Raises:
        ValueError: If the teacher has no levels or an option is out of range.

    Example:
        >>> from mmcvgssl.models import HostTeacher
        >>> conv = nn.Conv2d(3, 8, 4, 4)
        >>> teacher = HostTeacher(conv, input_size=32, levels=[0])
        >>> PatchFeatures(teacher)(torch.rand(2, 3, 64, 48)).shape
        torch.Size([2, 8, 8, 8])
    """

    def __init__(
        self,
        teacher: FrozenTeacher | dict,
        neighbourhood: int = 3,
        normalise: bool = True,
        grid: Sequence[int] | str | None = None,
        count_include_pad: bool = False,
    ) -> None:
        super().__init__()
        if isinstance(teacher, dict):
            teacher = MODELS.build(teacher)
        if not isinstance(teacher, FrozenTeacher):
            raise TypeError(
                'expected a frozen teacher of mmcvgssl.models.teachers, got '
                f'{type(teacher).__name__}'
            )
        if not teacher.levels:
            raise ValueError(
                f'{type(teacher).__name__} gives no local features: set its '
                '`levels`, such as levels=(2, 3)'
            )
        check_least(neighbourhood=(neighbourhood, 1))
        if neighbourhood % 2 == 0:
            raise ValueError(
                f'neighbourhood must be odd and positive, got {neighbourhood}'
            )
        self.teacher = teacher
        self.neighbourhood = neighbourhood
        self.normalise = normalise
        self.count_include_pad = count_include_pad
        if isinstance(grid, str) and grid != COARSEST:
            raise ValueError(
                f'grid is (height, width), {COARSEST!r} or None, got {grid!r}'
            )
        self.grid = as_grid(grid)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level, which add up to D."""
        return self.teacher.map_widths

    def forward(self, images: Tensor) -> Tensor:
        """Map RGB images [N, 3, H, W] in [0, 1] to [N, D, h, w]."""
        return self.join(self.teacher.local_features(images))

    def join(self, levels: Sequence[Tensor]) -> Tensor:
        """Bring levels [N, C, h, w] to one grid, [N, D, h, w]."""
        grid = self._grid([(m.shape[-2], m.shape[-1]) for m in levels])
        joined = []
        for level in levels:
            level = smooth(level, self.neighbourhood, self.count_include_pad)
            # cells of a network's levels correspond by their middles: this
            # joins features, and is not the geometry of maps on images
            if tuple(level.shape[-2:]) != grid:
                level = F.interpolate(
                    level, grid, mode='bilinear', align_corners=False
                )
            joined.append(
                F.normalize(level, dim=1) if self.normalise else level
            )
        return torch.cat(joined, dim=1)

    def _grid(self, sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
        """Return the grid of maps of levels of these sizes."""
        if self.grid is None:
            return max(sizes)
        if isinstance(self.grid, str):
            return min(sizes)
        return self.grid[0], self.grid[1]


def as_grid(grid: Sequence[int] | str | None) -> list[int] | str | None:
    """Return the option ``grid`` as JSON can hold it."""
    if grid is None or isinstance(grid, str):
        return grid
    return [int(side) for side in grid]


def smooth(
    level: Tensor, side: int, count_include_pad: bool = False
) -> Tensor:
    """Average maps [N, C, h, w] over neighbourhoods, smaller at borders.

    Args:
        level: The maps.
        side: Side of a neighbourhood, odd.
        count_include_pad: Fill those at borders with zeros instead.
    """
    if side == 1:
        return level
    return F.avg_pool2d(
        level, side, 1, side // 2, count_include_pad=count_include_pad
    )


def as_rows(maps: Tensor) -> Tensor:
    """Lay out maps [N, D, h, w] as patches [N * h * w, D]."""
    return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])


def describe(teacher: FrozenTeacher | dict) -> Any:
    """Name a teacher in settings that JSON can hold."""
    if isinstance(teacher, FrozenTeacher):
        return {
            'type': type(teacher).__name__,
            'levels': list(teacher.levels),
            'input_size': list(teacher.input_size),
            'interpolation': teacher.interpolation,
        }
    return of_config(teacher)
