"""Boxes around nested regions, against loops over pixels."""

import numpy as np
import pytest

from mmcvgssl.maps import resize_map
from mmcvgssl.maps.box_files import ImageBoxes
from mmcvgssl.maps.box_options import BoxOptions
from mmcvgssl.maps.component_tree import (
    SHARES,
    component_tree_boxes,
    contrast_threshold,
)

ALL = {'min_area': 1, 'top_k': 10_000, 'nms_iou': 1.0}


def bumps(seed: int, side: int = 8) -> np.ndarray:
    """Draw a noisy map with a strong bump and a faint one."""
    made = np.random.default_rng(seed).uniform(0, 0.05, (side, side))
    made[1:4, 1:3] += 1.0
    made[5:7, 4:7] += 0.2
    return made


def slow_regions(heat: np.ndarray, patches: int) -> set[tuple[int, ...]]:
    """Flood all regions at all levels."""
    found = set()
    for share in SHARES:
        if share < 1 / patches:
            break
        level = np.quantile(heat, 1 - share)
        left = {tuple(p) for p in np.argwhere(heat > level)}
        while left:
            todo, region = [left.pop()], []
            while todo:
                y, x = todo.pop()
                region.append((y, x))
                near = {
                    (y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)
                } & left
                left -= near
                todo += near
            ys, xs = zip(*region, strict=True)
            found.add((min(xs), min(ys), max(xs) + 1, max(ys) + 1))
    return found


def slow_score(heat: np.ndarray, box: tuple[int, ...]) -> float:
    """Average box and ring pixel by pixel."""
    x1, y1, x2, y2 = box
    height, width = heat.shape
    across = max(int(max((x2 - x1) / 3, width / 20)), 1)
    down = max(int(max((y2 - y1) / 3, height / 20)), 1)
    inside, around = [], []
    for y in range(max(y1 - down, 0), min(y2 + down, height)):
        for x in range(max(x1 - across, 0), min(x2 + across, width)):
            is_in = x1 <= x < x2 and y1 <= y < y2
            (inside if is_in else around).append(float(heat[y, x]))
    if not around:
        return 0.0
    contrast = np.mean(inside) - np.mean(around)
    return float(contrast * np.sqrt(len(inside) / heat.size))


@pytest.mark.parametrize('seed', range(4))
@pytest.mark.parametrize('size', [(40, 30), (17, 64), (8, 8)])
def test_boxes_are_all_regions_with_contrast(seed, size):
    made = bumps(seed)
    heat = resize_map(made, size)
    regions = slow_regions(heat, made.size)
    expected = {box: slow_score(heat, box) for box in regions}
    boxes, scores = component_tree_boxes(bumps(seed), size, **ALL)
    ours = {
        tuple(map(int, box)): float(score)
        for box, score in zip(boxes, scores, strict=True)
    }
    # a contrast of nothing but rounding may be on either side of 0
    clear = {box: s for box, s in expected.items() if s > 1e-9}
    assert {box: s for box, s in ours.items() if s > 1e-9} == pytest.approx(
        clear, rel=1e-4, abs=1e-8
    )
    assert [*scores] == sorted(scores, reverse=True)


def test_faint_and_strong_regions_are_boxed_whatever_the_scale():
    boxes, scores = component_tree_boxes(bumps(0), (80, 80))
    # the middle of either bump, in pixels of corner-aligned maps
    for x, y in ((1.5 * 79 / 7, 2 * 79 / 7), (5 * 79 / 7, 5.5 * 79 / 7)):
        assert any(
            x1 < x < x2 and y1 < y < y2 and (x2 - x1) * (y2 - y1) < 1800
            for x1, y1, x2, y2 in boxes
        )
    for a, b in ((64.0, -8.0), (0.125, 3.0)):
        others, scaled = component_tree_boxes(a * bumps(0) + b, (80, 80))
        np.testing.assert_array_equal(others, boxes)
        np.testing.assert_allclose(scaled, a * scores, rtol=1e-3)


@pytest.mark.parametrize('side', [16, 64])
def test_a_defect_of_one_patch_is_boxed_closely(side):
    made = np.random.default_rng(0).uniform(0, 0.1, (side, side))
    made[5, 9] = 1.0
    boxes, _ = component_tree_boxes(made, (512, 512))
    at = np.array([9, 5]) * 511 / (side - 1)
    patch = 512 / side
    assert any(
        (box[:2] <= at).all()
        and (at <= box[2:]).all()
        and (box[2:] - box[:2]).max() < 2 * patch
        for box in boxes
    )


def test_a_core_lies_in_its_region():
    made = np.zeros((12, 12))
    made[2:10, 2:10] = 0.5
    made[4:7, 4:7] = 1.0
    boxes, _ = component_tree_boxes(made, (120, 120))
    areas = sorted((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    assert len(areas) >= 2
    assert areas[-1] > 3 * areas[0]


@pytest.mark.parametrize('value', [0.0, -3.5, 1e4])
@pytest.mark.parametrize('size', [(1, 1), (7, 300), (64, 64)])
def test_a_constant_map_has_no_boxes(value, size):
    boxes, scores = component_tree_boxes(np.full((5, 6), value), size)
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)


def test_options_limit_the_boxes():
    every, scores = component_tree_boxes(bumps(1), (80, 80), **ALL)
    few, best = component_tree_boxes(bumps(1), (80, 80), **{**ALL, 'top_k': 2})
    np.testing.assert_array_equal(few, every[:2])
    np.testing.assert_array_equal(best, scores[:2])
    large, _ = component_tree_boxes(
        bumps(1), (80, 80), **{**ALL, 'min_area': 1000}
    )
    sides = large[:, 2:] - large[:, :2]
    assert 0 < len(large) < len(every)
    assert (sides.prod(axis=1) >= 1000).all()
    apart, _ = component_tree_boxes(
        bumps(1), (80, 80), **{**ALL, 'nms_iou': 0}
    )
    for i, a in enumerate(apart):
        for b in apart[:i]:
            shared = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
            assert shared.min() <= 0


@pytest.mark.parametrize(
    ('scores', 'per_image', 'expected'),
    [
        ([[0.9, 0.5], [0.1]], 1, 0.5),
        ([[0.9, 0.5], [0.1]], 0.5, 0.9),
        ([[0.9, 0.5], [0.1]], 0.01, 0.9),
        ([[0.1], [0.9, 0.5]], 7, 0.1),
        ([[0.5, 0.5, 0.5]], 1, 0.5),
        ([[], []], 3, 0.0),
        ([], 3, 0.0),
    ],
)
def test_the_least_score_that_is_kept(scores, per_image, expected):
    rows = [np.array(row, np.float32) for row in scores]
    assert contrast_threshold(rows, per_image) == pytest.approx(expected)


def test_images_in_which_nothing_stands_out_get_no_boxes():
    options = BoxOptions(method='component_tree', boxes_per_image=1)
    flat = bumps(3) * 0.01
    images = [
        ImageBoxes(str(i), (80, 80), *options.cut(made, (80, 80), np.nan))
        for i, made in enumerate([bumps(1), flat, bumps(2)])
    ]
    assert all(len(image.boxes) for image in images)
    kept, least = options.keep(images)
    counts = [len(image.boxes) for image in kept]
    assert sum(counts) == 3
    assert counts[1] == 0
    assert least == min(image.scores.min() for image in (kept[0], kept[2]))
    back, same = options.keep(images[::-1])
    assert (len(back[0].boxes), same) == (counts[2], least)
    # the other method decides by its map threshold alone
    assert BoxOptions().keep(images) == (images, None)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'method': 'mser'}, "dataset_threshold, component_tree, got 'mser'"),
        ({'boxes_per_image': 2}, 'of the method component_tree'),
        ({'method': 'component_tree', 'margin': 0.2}, 'margin, got 0.2'),
        ({'method': 'component_tree', 'map_threshold': 1}, 'map_threshold'),
        ({'method': 'component_tree', 'boxes_per_image': 0}, 'above 0'),
        ({'method': 'component_tree', 'boxes_per_image': np.nan}, 'above 0'),
        ({'method': 'component_tree', 'nms_iou': 2}, 'nms_iou'),
        ({'method': 'component_tree', 'top_k': 0}, 'top_k'),
        ({'method': 'component_tree', 'min_area': -1}, 'min_area'),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        BoxOptions(**options)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'anomaly_map': np.zeros((1, 4, 4))}, r'\[1, 4, 4\]'),
        ({'anomaly_map': np.full((2, 2), np.nan)}, 'finite'),
        ({'size': (0, 8)}, 'height and width'),
        ({'top_k': 0}, 'top_k'),
    ],
)
def test_wrong_input_is_named(change, message):
    good = {'anomaly_map': np.zeros((4, 4)), 'size': (8, 8)}
    with pytest.raises(ValueError, match=message):
        component_tree_boxes(**{**good, **change})
