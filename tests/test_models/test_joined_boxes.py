"""Boxes of tiles are joined to those of the image."""

import itertools

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from mmcvgssl.datasets.tiles import TileGrid
from mmcvgssl.models.joined_boxes import join_boxes

SIZE = (350, 450)


def boxes_of(rows) -> InstanceData:
    """Make the boxes (x1, y1, x2, y2, score, label) of a tile."""
    table = torch.tensor(rows, dtype=torch.float32).reshape(-1, 6)
    return InstanceData(
        bboxes=table[:, :4], scores=table[:, 4], labels=table[:, 5].long()
    )


def seen(truth, grid: TileGrid, least: float = 3) -> list[InstanceData]:
    """Return what a detector without faults sees in each tile."""
    height, width = grid.tile
    found = []
    for y, x in grid:
        rows = []
        for x1, y1, x2, y2, score, label in truth:
            box = np.clip([x1 - x, x2 - x], 0, width)
            column = np.clip([y1 - y, y2 - y], 0, height)
            if np.ptp(box) >= least and np.ptp(column) >= least:
                rows.append(
                    [box[0], column[0], box[1], column[1], score, label]
                )
        found.append(boxes_of(rows))
    return found


def table(found: InstanceData) -> list[list[float]]:
    rows = torch.cat(
        [found.bboxes, found.scores[:, None], found.labels[:, None]], 1
    )
    return sorted(rows.tolist())


def scattered(seed: int, least: int, most: int) -> list[list[float]]:
    """Draw boxes that lie apart, each in a cell of its own."""
    random = np.random.RandomState(seed)
    cell = most + 6
    made = []
    for y, x in itertools.product(
        range(0, SIZE[0] - cell, cell), range(0, SIZE[1] - cell, cell)
    ):
        width, height = random.randint(least, most + 1, 2)
        left = x + random.randint(cell - width)
        top = y + random.randint(cell - height)
        made.append(
            [
                *(left, top, left + width, top + height),
                *(np.float32(random.uniform(0.3, 1)), random.randint(3)),
            ]
        )
    return [[float(value) for value in row] for row in made]


@pytest.mark.parametrize('seed', range(2))
@pytest.mark.parametrize(
    ('least', 'most', 'tile', 'overlap'),
    [
        (5, 20, 128, 20),  # whole in some tile
        (5, 20, 128, 64),
        (20, 60, 128, 64),
        (60, 200, 128, 40),  # larger than the overlap, and than a tile
        (5, 20, 450, 8),
        (5, 20, 150, 0.1),
    ],
)
def test_each_defect_has_its_box_once(seed, least, most, tile, overlap):
    grid = TileGrid.over(SIZE, tile, int(overlap))
    truth = scattered(seed, least, most)
    if overlap < 1:  # no tile sees the whole, and nothing tells parts
        truth = [
            row
            for row in truth
            if not any(
                row[0] - 9 < x < row[2] + 9 or row[1] - 9 < y < row[3] + 9
                for x, y in zip((150, 300), (100, 200), strict=True)
            )
        ]
    found = join_boxes(seen(truth, grid), grid, 0.5)
    assert table(found) == sorted(truth)


def test_scores_order_the_boxes_and_classes_stay_apart():
    grid = TileGrid.over((100, 180), tile=100, overlap=20)
    left = boxes_of([[85, 10, 95, 20, 0.4, 0], [86, 10, 95, 20, 0.7, 1]])
    right = boxes_of([[5, 10, 15, 20, 0.9, 0]])
    found = join_boxes([left, right], grid, 0.5)
    assert found.scores.tolist() == pytest.approx([0.9, 0.7])
    assert found.labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ('whole', 'kept'),
    [
        ([0, 40, 60, 50, 0.9, 0], 1),
        # what it may be is too unlikely, or of another class
        ([2, 40, 60, 50, 0.2, 0], 2),
        ([2, 40, 60, 50, 0.9, 1], 2),
    ],
)
def test_a_part_goes_where_the_whole_is_seen(whole, kept):
    """The right tile sees a defect, of which the left one sees a part."""
    grid = TileGrid.over((100, 180), tile=100, overlap=20)
    left = boxes_of([[82, 40, 100, 50, 0.8, 0]])
    found = join_boxes([left, boxes_of([whole])], grid, 0.5)
    assert len(found) == kept


def test_a_part_that_no_other_tile_finds_stays():
    grid = TileGrid.over((100, 180), tile=100, overlap=20)
    left = boxes_of([[82, 40, 100, 50, 0.8, 0]])
    found = join_boxes([left, boxes_of([])], grid, 0.5)
    assert table(found) == [[82, 40, 100, 50, pytest.approx(0.8), 0]]
    assert len(join_boxes([boxes_of([])] * 2, grid, 0.5)) == 0


def test_boxes_of_one_tile_stay_as_they_are():
    grid = TileGrid.over((80, 90), tile=100, overlap=20)
    alike = boxes_of([[1, 1, 9, 9, 0.5, 0], [1, 1, 9, 9, 0.6, 0]])
    found = join_boxes([alike], grid, 0.5)
    assert torch.equal(found.bboxes, alike.bboxes)
    assert torch.equal(found.scores, alike.scores)


def test_boxes_of_all_tiles_are_needed():
    grid = TileGrid.over((100, 180), tile=100, overlap=20)
    with pytest.raises(ValueError, match='boxes of 2 tiles, got 1'):
        join_boxes([boxes_of([])], grid, 0.5)


def test_many_unlikely_boxes_take_little_time_and_memory():
    """As of a test of average precision, which keeps all boxes."""
    grid = TileGrid.over((2000, 8000), tile=640, overlap=64)
    random = np.random.RandomState(0)
    found = []
    for _ in grid:
        corner = random.uniform(0, 600, (120, 2))
        size = random.uniform(5, 300, (120, 2))
        box = np.concatenate([corner, (corner + size).clip(0, 640)], 1)
        rest = [random.uniform(0.001, 0.1, (120, 1)), np.zeros((120, 1))]
        found.append(boxes_of(np.concatenate([box, *rest], 1)))
    joined = join_boxes(found, grid, 0.7)
    assert 0 < len(joined) <= 120 * len(grid)
    assert bool((joined.scores.diff() <= 0).all())
    high = joined.bboxes.amax(0)
    assert float(joined.bboxes.min()) >= 0
    assert float(high[2]) <= 8000
    assert float(high[3]) <= 2000
