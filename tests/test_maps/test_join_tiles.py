"""Maps of tiles become one map of the image."""

import itertools

import numpy as np
import pytest

from mmcvgssl.datasets.tiles import TileGrid, check_tiles
from mmcvgssl.datasets.transforms import RandomTile, TiledSteps
from mmcvgssl.maps import JoinedMap, resize_map


def cut(image: np.ndarray, grid: TileGrid) -> np.ndarray:
    """Cut [H, W] into tiles [T, h, w]."""
    height, width = grid.tile
    return np.stack([image[y : y + height, x : x + width] for y, x in grid])


@pytest.mark.parametrize(
    ('size', 'tile', 'overlap'),
    [
        ((1000, 2000), 512, 64),
        ((64, 64), 64, 8),
        ((40, 300), 64, 8),
        ((65, 130), 64, 0),
        ((97, 211), 64, 63),
        ((33, 1), 64, 0),
        ((128, 1000), 64, 31),
    ],
)
def test_maps_of_pixels_are_joined_to_that_of_the_image(size, tile, overlap):
    grid = TileGrid.over(size, tile, overlap)
    covered = np.zeros(size)
    for y, x in grid:
        covered[y : y + grid.tile[0], x : x + grid.tile[1]] += 1
    assert covered.min() >= 1
    for starts, side in zip((grid.rows, grid.columns), grid.tile, strict=True):
        shared = [a + side - b for a, b in itertools.pairwise(starts)]
        assert all(n >= overlap for n in shared)
    image = np.random.default_rng(0).random(size)
    joined = JoinedMap(grid)
    tiles = cut(image, grid)
    for first in range(0, len(tiles), 3):
        joined.add(tiles[first : first + 3])
    np.testing.assert_allclose(joined.result(), image, rtol=0, atol=1e-6)


@pytest.mark.parametrize('overlap', [0, 16, 48])
@pytest.mark.parametrize('values', [2, 5, 16, 64])
def test_a_slope_has_no_seams_whatever_the_patches(overlap, values):
    """A map that grows evenly over the image stays so."""
    size = 150, 401
    rows = np.linspace(0, 1, size[0])
    columns = np.linspace(0, 2, size[1])
    whole = rows[:, None] + columns
    grid = TileGrid.over(size, 64, overlap)
    at = np.linspace(0, 63, values)
    joined = JoinedMap(grid)
    for y, x in grid:
        down = np.interp(y + at, np.arange(150), rows)
        tile = down[:, None] + np.interp(x + at, np.arange(401), columns)
        joined.add(tile[None])
    back = resize_map(joined.result(), size)
    # between tiles that share no pixel, a value is that of the nearer one
    apart = 1e-6 if overlap else 0.5 * (1 / 149 + 2 / 400) + 1e-6
    assert np.abs(back - whole).max() < apart


@pytest.mark.parametrize('size', [(30, 50), (30, 1), (1, 1)])
def test_one_tile_is_the_map_as_it_is(size):
    grid = TileGrid.over(size, 64, 8)
    assert len(grid) == 1
    maps = np.random.default_rng(0).random((1, 7, 7))
    joined = JoinedMap(grid)
    joined.add(maps)
    np.testing.assert_allclose(joined.result(), maps[0], rtol=0, atol=1e-7)


def test_tiles_between_the_values_of_the_whole_count_for_nothing():
    grid = TileGrid.over((64, 100), 64, 63)
    joined = JoinedMap(grid)
    joined.add(np.arange(len(grid)).reshape(-1, 1, 1))
    assert joined.result().tolist() == [[0, len(grid) - 1]]


def test_maps_of_all_tiles_and_no_more_are_needed():
    joined = JoinedMap(TileGrid.over((64, 128), 64))
    joined.add(np.zeros((1, 4, 4)))
    with pytest.raises(ValueError, match='the maps of 2 tiles, got 1'):
        joined.result()
    with pytest.raises(ValueError, match='the maps of 2 tiles, got 3'):
        joined.add(np.zeros((2, 4, 4)))


@pytest.mark.parametrize(
    ('tile', 'overlap', 'expected'),
    [
        (None, None, None),
        ('auto', None, (256, 32)),
        (512, None, (512, 64)),
        (512, 0, (512, 0)),
        (32, 31, (32, 31)),
        (512, 512, 'overlap=512: expected a number of pixels from 0 to less'),
        (512, 600, 'overlap=600'),
        (512, -1, 'overlap=-1'),
        (512, 0.5, 'overlap=0.5'),
        (None, 64, 'there are none: set tile'),
        (31, None, 'tile=31: expected .* from 32 on, the stride'),
        (0, None, 'tile=0'),
        (-512, None, 'tile=-512'),
        (True, None, 'tile=True'),
        (512.0, None, 'tile=512.0'),
        ('512', None, "tile='512'"),
        ('big', None, "tile='big': expected 'auto'"),
    ],
)
def test_options_of_tiles_are_checked(tile, overlap, expected):
    if isinstance(expected, str):
        with pytest.raises(ValueError, match=expected):
            check_tiles(tile, overlap, 256)
    else:
        assert check_tiles(tile, overlap, 256) == expected


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda: RandomTile(tile='auto'), "'auto': expected a number of pix"),
        (lambda: RandomTile(tile=16), 'tile=16: expected a number of pixels'),
        (lambda: RandomTile(tile=None), 'RandomTile cuts a tile'),
        (
            lambda: TiledSteps('auto', transforms=[{}]),
            "'auto': expected a number of pixels",
        ),
        (lambda: TiledSteps(64, transforms=[]), 'expected tile=512 and trans'),
    ],
)
def test_steps_that_know_no_input_size_refuse_auto(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_tiles_are_not_squeezed_below_the_stride():
    assert check_tiles(64, 8, 32) == (64, 8)
    with pytest.raises(ValueError, match='input_size=31: tiles are resized'):
        check_tiles(64, 8, 31)
    assert check_tiles(None, None, 8) is None
