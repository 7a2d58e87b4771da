"""Where the tiles of a large image lie."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# stride of the coarsest level of the usual networks, pixels
LEAST_TILE = 32
# key of a data sample's grid
TILES = 'tiles'
# key of the data sample of one of a detector's tiles
TILE_SAMPLE = 'tile_sample'
# what PackInputs takes where nothing is said
_PACKED = ('sample_idx', 'img_path', 'ori_shape', 'img_shape')


@dataclass(frozen=True)
class TileGrid:
    """Tiles of one size that cover an image, evenly spread.

    Args:
        size: Height and width of the image, pixels.
        tile: Height and width of a tile; no larger than the image.
        overlap: Pixels that neighbours have in common at least.
        rows: First row of pixels of each row of tiles.
        columns: First column of pixels of each column of tiles.

    Example:
        >>> grid = TileGrid.over((100, 250), tile=100, overlap=20)
        >>> grid.tile, grid.rows, grid.columns, len(grid)
        ((100, 100), (0,), (0, 75, 150), 3)
    """

    size: tuple[int, int]
    tile: tuple[int, int]
    overlap: int
    rows: tuple[int, ...]
    columns: tuple[int, ...]

    @classmethod
    def over(
        cls, size: Sequence[int], tile: int, overlap: int = 0
    ) -> TileGrid:
        """Lay tiles over an image.

        A side that is shorter than ``tile`` is taken whole.

        Args:
            size: Height and width of the image, pixels.
            tile: Side of a tile, pixels.
            overlap: Pixels that neighbours have in common at least.
        """
        height, width = int(size[0]), int(size[1])
        sides = min(tile, height), min(tile, width)
        return cls(
            (height, width),
            sides,
            overlap,
            _starts(height, sides[0], overlap),
            _starts(width, sides[1], overlap),
        )

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield the upper left pixel (row, column) of each tile."""
        for row in self.rows:
            for column in self.columns:
                yield row, column


def _starts(side: int, tile: int, overlap: int) -> tuple[int, ...]:
    if side <= tile:
        return (0,)
    count = math.ceil((side - overlap) / (tile - overlap))
    step = (side - tile) / (count - 1)
    return tuple(round(i * step) for i in range(count))


def check_input_size(size: Any) -> None:
    """Check the side of what a model gets.

    Raises:
        ValueError: If it is no number of pixels.
    """
    if type(size) is not int or size < 1:
        raise ValueError(
            f'input_size={size!r}: expected a number of pixels from 1 on'
        )


def check_tiles(
    tile: Any, overlap: Any, input_size: int | None
) -> tuple[int, int] | None:
    """Check the options of tiles; return their side and overlap.

    Args:
        tile: Side in pixels; ``'auto'``: ``input_size``; None: no tiles.
        overlap: Pixels that neighbours share at least; None: an eighth of
            ``tile``.
        input_size: Side in pixels of what the model gets; None: it is not
            known, and ``'auto'`` is refused.

    Raises:
        ValueError: If one is out of range, or an overlap has no tiles.
    """
    if tile is None:
        if overlap is not None:
            raise ValueError(
                f'overlap={overlap!r} is that of tiles, and there are none: '
                "set tile, such as tile='auto', or leave overlap out"
            )
        return None
    side = input_size if tile == 'auto' else tile
    if type(side) is not int or side < LEAST_TILE:
        auto = '' if input_size is None else "'auto' (the input_size) or "
        raise ValueError(
            f'tile={tile!r}: expected {auto}a number of pixels from '
            f'{LEAST_TILE} on, the stride of the networks'
        )
    if input_size and input_size < LEAST_TILE:
        raise ValueError(
            f'input_size={input_size}: tiles are resized to it; expected '
            f'{LEAST_TILE} pixels or more, the stride of the networks'
        )
    shared = side // 8 if overlap is None else overlap
    if type(shared) is not int or not 0 <= shared < side:
        raise ValueError(
            f'overlap={overlap!r}: expected a number of pixels from 0 to less '
            f'than the tile, which has {side}'
        )
    return side, shared


def tiled(steps: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the configs of a pipeline's steps cut images into tiles."""
    return any(
        _name(step) == 'TiledSteps'
        or (_name(step) == 'SquareResize' and step.get('tile') is not None)
        for step in steps
    )


def _name(step: Mapping[str, Any]) -> str:
    kind = step.get('type', '')
    return getattr(kind, '__name__', str(kind)).rpartition('.')[2]


def whole_if_tiled(
    steps: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Have steps that cut images read all of their pixels, and say where.

    Args:
        steps: Configs of a pipeline's steps.

    Returns:
        The same where nothing is cut; else what reads does not shrink, and
        what packs has the grid of tiles among its ``meta_keys``.
    """
    made = [dict(step) for step in steps]
    if not tiled(made):
        return made
    for step in made:
        name = _name(step)
        if name == 'LoadImage':
            step.pop('input_size', None)
        elif name == 'PackInputs':
            keys = list(step.get('meta_keys') or _PACKED)
            step['meta_keys'] = [*keys, *({TILES} - {*keys})]
    return made


def cut_steps(
    steps: Sequence[Mapping[str, Any]], tile: Any, overlap: Any = None
) -> list[dict[str, Any]]:
    """Have the steps of a detector's test cut images into tiles.

    Args:
        steps: Configs of the steps: the first ones read an image, the last
            one packs it. If they cut already, they cut anew.
        tile: Side in pixels; ``'auto'``: the shorter side that images are
            resized to, so that pixels are about as they are.
        overlap: Pixels that neighbours share at least; None: an eighth of
            ``tile``.

    Raises:
        ValueError: If an option is out of range.

    Example:
        >>> steps = [dict(type='mmcvgssl.LoadImage')]
        >>> steps += [dict(type='mmdet.Resize', scale=(640, 480))]
        >>> steps += [dict(type='mmdet.PackDetInputs')]
        >>> _, cut = cut_steps(steps, 'auto')
        >>> cut['tile'], cut['overlap'], len(cut['transforms'])
        (480, 60, 2)
    """
    whole, _ = uncut_steps(steps)
    checked = check_tiles(tile, overlap, _resized_to(whole, tile))
    if checked is None:
        return whole
    count = sum(_name(step).startswith('LoadImage') for step in whole)
    cut = dict(type='mmcvgssl.TiledSteps', tile=checked[0], overlap=checked[1])
    return [*whole[:count], {**cut, 'transforms': whole[count:]}]


def uncut_steps(
    steps: Sequence[Mapping[str, Any]],
) -> tuple[list[dict[str, Any]], tuple[int, int] | None]:
    """Return steps of a detector's test without tiles, and tile and overlap.

    The latter is None where nothing is cut.
    """
    whole: list[dict[str, Any]] = []
    options = None
    for step in steps:
        if _name(step) == 'TiledSteps':
            options = check_tiles(step['tile'], step.get('overlap'), None)
            whole += [dict(inner) for inner in step['transforms']]
        else:
            whole.append(dict(step))
    return whole, options


def _resized_to(steps: Sequence[Mapping[str, Any]], tile: Any) -> int:
    """Return the shorter side that steps resize images to."""
    for step in steps:
        scale = step.get('scale') or step.get('img_scale')
        if isinstance(scale, int):
            return scale
        if isinstance(scale, (list, tuple)) and all(
            type(side) is int for side in scale
        ):
            return min(scale)
    if tile == 'auto':
        raise ValueError(
            "tile='auto' is the size that images are resized to, and no step "
            'has a scale=(WIDTH, HEIGHT): set tile to a number of pixels'
        )
    return 0


def images_at_once(steps: Sequence[Mapping[str, Any]], batch_size: int) -> int:
    """Return how many images to read at once: one, if it is cut into tiles.

    Args:
        steps: Configs of a pipeline's steps.
        batch_size: Number of images that are not cut.
    """
    return 1 if tiled(steps) else batch_size
