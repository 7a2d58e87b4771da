"""Boxes cut from maps, against slow references and drawn shapes."""

import numpy as np
import pytest

from mmcvgssl.maps.boxes import (
    dataset_threshold,
    least_area,
    map_to_boxes,
)


def as_is(anomaly_map, threshold=0.5, **kwargs):
    """Cut boxes where the image is as large as the map."""
    kwargs = {'min_area': 0, 'nms_iou': 1.0, 'top_k': 1000, **kwargs}
    return map_to_boxes(anomaly_map, anomaly_map.shape, threshold, **kwargs)


def canvas(*blobs, size=(30, 40), low=0.0) -> np.ndarray:
    """Draw blobs (y1, y2, x1, x2, value) on a map."""
    made = np.full(size, low, dtype=np.float32)
    for y1, y2, x1, x2, value in blobs:
        made[y1:y2, x1:x2] = value
    return made


def flood(mask, start, steps):
    """Collect what hangs together with a pixel."""
    seen, todo = {start}, [start]
    while todo:
        y, x = todo.pop()
        for dy, dx in steps:
            at = y + dy, x + dx
            inside = all(
                0 <= a < n for a, n in zip(at, mask.shape, strict=True)
            )
            if inside and at not in seen and mask[at]:
                seen.add(at)
                todo.append(at)
    return seen


SIDES = [(0, 1), (1, 0), (0, -1), (-1, 0)]
CORNERS = [(1, 1), (1, -1), (-1, 1), (-1, -1)]


def slow_boxes(values, threshold, top_k, nms_iou):
    """Cut boxes from the definition, of any area."""
    mask = values > threshold
    framed = np.pad(~mask, 1, constant_values=True)
    outside = flood(framed, (0, 0), SIDES)
    left = {tuple(p) for p in np.argwhere(mask).tolist()}
    found = []
    while left:
        blob = flood(mask, min(left), SIDES + CORNERS)
        left -= blob
        if not any(
            (y + 1 + dy, x + 1 + dx) in outside
            for y, x in blob
            for dy, dx in SIDES
        ):
            continue  # in a hole of another
        ys, xs = zip(*blob, strict=True)
        y1, y2 = min(ys), max(ys) + 1
        x1, x2 = min(xs), max(xs) + 1
        score = values[y1:y2, x1:x2].max()
        found.append(((x1, y1, x2, y2), float(score)))
    found.sort(key=lambda entry: -entry[1])
    kept = []
    for box, score in found[:top_k]:
        if all(slow_iou(box, other) <= nms_iou for other, _ in kept):
            kept.append((box, score))
    return kept


def slow_iou(a, b):
    pixels = [
        {(x, y) for x in range(x1, x2) for y in range(y1, y2)}
        for x1, y1, x2, y2 in (a, b)
    ]
    return len(pixels[0] & pixels[1]) / len(pixels[0] | pixels[1])


@pytest.mark.parametrize('seed', range(12))
@pytest.mark.parametrize('nms_iou', [0.2, 0.8])
def test_boxes_are_those_of_a_slow_reference(seed, nms_iou):
    rng = np.random.default_rng(seed)
    values = rng.permutation(np.linspace(0, 1, 16 * 13)).astype(np.float32)
    values = values.reshape(16, 13)
    threshold = rng.uniform(0.55, 0.9)
    top_k = int(rng.integers(2, 20))
    boxes, scores = as_is(values, threshold, top_k=top_k, nms_iou=nms_iou)
    expected = slow_boxes(values, threshold, top_k, nms_iou)
    # several nested blobs may score by the same pixel
    assert sorted(zip(map(tuple, boxes.tolist()), scores, strict=True)) == (
        sorted(expected)
    )
    assert boxes.dtype == scores.dtype == np.float32
    assert (np.diff(scores) <= 0).all()


@pytest.mark.parametrize(
    ('blob', 'area'),
    [
        ((5, 9, 5, 9, 1.0), 9),  # k x k pixels: (k - 1)²
        ((5, 10, 5, 10, 1.0), 16),
        ((5, 6, 5, 25, 1.0), 0),  # a line one pixel wide
        ((5, 7, 5, 25, 1.0), 19),
        ((5, 6, 5, 6, 1.0), 0),  # one pixel
        ((0, 30, 0, 40, 1.0), 29 * 39),
    ],
)
def test_area_is_that_of_the_outer_contour(blob, area):
    values = canvas(blob)
    assert len(as_is(values, min_area=area)[0]) == 1
    assert len(as_is(values, min_area=area + 0.25)[0]) == 0


def test_holes_count_as_area_and_hide_what_is_in_them():
    ring = canvas((5, 15, 5, 15, 0.7), (7, 13, 7, 13, 0.0))
    assert len(as_is(ring, min_area=81)[0]) == 1
    island = canvas(
        (5, 15, 5, 15, 0.7), (7, 13, 7, 13, 0.0), (9, 11, 9, 11, 0.9)
    )
    boxes, scores = as_is(island)
    assert boxes.tolist() == [[5, 5, 15, 15]]
    assert scores.tolist() == [np.float32(0.9)]  # the maximum in the box


@pytest.mark.parametrize(
    ('size', 'expected'),
    [
        ((99, 5000), 10),
        ((200, 200), 10),
        ((399, 499), 12),
        ((1000, 1600), 160),
    ],
)
def test_least_area_grows_with_the_image(size, expected):
    assert least_area(size) == expected
    side = int(np.ceil(np.sqrt(expected))) + 1  # of a square just kept
    kept = canvas((20, 20 + side, 20, 20 + side, 1.0), size=size)
    small = canvas((20, 19 + side, 20, 19 + side, 1.0), size=size)
    assert len(map_to_boxes(kept, size, 0.5)[0]) == 1
    assert len(map_to_boxes(small, size, 0.5)[0]) == 0


@pytest.mark.parametrize(
    ('blob', 'box'),
    [
        ((0, 30, 0, 40, 1.0), [0, 0, 40, 30]),
        ((0, 6, 0, 7, 1.0), [0, 0, 7, 6]),
        ((24, 30, 33, 40, 1.0), [33, 24, 40, 30]),
        ((0, 30, 10, 15, 1.0), [10, 0, 15, 30]),
        ((8, 13, 0, 40, 1.0), [0, 8, 40, 13]),
    ],
)
def test_boxes_are_half_open_ranges_up_to_the_border(blob, box):
    boxes, scores = map_to_boxes(canvas(blob), (30, 40), 0.5)
    assert boxes.tolist() == [box]
    assert scores.tolist() == [1.0]


@pytest.mark.parametrize(
    ('value', 'count'), [(0.5, 0), (np.nextafter(np.float32(0.5), 1), 1)]
)
def test_the_threshold_itself_is_not_anomalous(value, count):
    boxes, scores = as_is(canvas((5, 10, 5, 10, value)))
    assert len(boxes) == len(scores) == count
    assert boxes.shape == (count, 4)


def test_a_map_of_one_patch_gives_the_whole_image_or_nothing():
    one = np.array([[0.6]], dtype=np.float16)
    boxes, scores = map_to_boxes(one, (120, 80), 0.5)
    assert boxes.tolist() == [[0, 0, 80, 120]]
    assert scores == pytest.approx([0.6], abs=1e-3)
    assert map_to_boxes(one, (120, 80), 0.7)[0].shape == (0, 4)


def test_the_best_are_kept_and_equal_ones_go_by_size_and_place():
    blobs = [
        (0, 5, 0, 5, 0.9),
        (10, 15, 0, 5, 0.8),
        (20, 26, 0, 6, 0.8),
        (0, 5, 20, 25, 0.8),
        (20, 25, 30, 35, 0.7),
    ]
    boxes, _ = as_is(canvas(*blobs), top_k=4)
    assert boxes[:, :2].tolist() == [[0, 0], [0, 20], [20, 0], [0, 10]]


def test_nms_drops_the_worse_of_two_that_overlap():
    # an L and a block in its corner
    values = canvas(
        (0, 18, 0, 1, 0.7),
        (17, 18, 0, 18, 0.7),
        (0, 16, 2, 18, 0.9),
    )
    # the block is 16 * 16 of the 18 * 18 pixels, a share of 0.79
    assert len(as_is(values, nms_iou=0.8)[0]) == 2
    boxes, _ = as_is(values, nms_iou=0.75)
    # both score .9, and the larger comes first
    assert boxes.tolist() == [[0, 0, 18, 18]]


def test_units_and_precision_of_the_map_do_not_matter():
    rng = np.random.default_rng(3)
    values = rng.uniform(0, 1, (8, 8)).astype(np.float32)
    boxes, scores = map_to_boxes(values, (90, 120), 0.6)
    scaled, far = map_to_boxes(values * 64 - 8, (90, 120), 0.6 * 64 - 8)
    assert len(boxes) > 1
    np.testing.assert_array_equal(boxes, scaled)
    np.testing.assert_allclose(scores * 64 - 8, far, rtol=1e-5)
    half, _ = map_to_boxes(values.astype(np.float16), (90, 120), 0.6)
    np.testing.assert_allclose(boxes, half, atol=1)


def test_the_map_is_not_written_to():
    values = np.random.default_rng(0).uniform(size=(6, 6)).astype(np.float32)
    values.setflags(write=False)
    before = values.copy()
    map_to_boxes(values, (6, 6), 0.5)
    np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'anomaly_map': np.zeros((1, 4, 4))}, r'\[1, 4, 4\]'),
        ({'anomaly_map': np.zeros((0, 4))}, 'at least one patch'),
        ({'anomaly_map': np.full((2, 2), np.nan)}, 'finite'),
        ({'anomaly_map': np.full((2, 2), np.inf)}, 'finite'),
        ({'size': (0, 8)}, 'height and width'),
        ({'size': (8, 8, 3)}, 'height and width'),
        ({'threshold': np.nan}, 'finite threshold'),
        ({'min_area': -1}, 'min_area'),
        ({'top_k': 0}, 'top_k'),
        ({'nms_iou': 1.5}, 'nms_iou'),
    ],
)
def test_wrong_input_is_named(change, message):
    good = {'anomaly_map': np.zeros((4, 4)), 'size': (8, 8), 'threshold': 0.5}
    map_to_boxes(**good)
    with pytest.raises(ValueError, match=message):
        map_to_boxes(**{**good, **change})


def test_the_threshold_of_a_data_set_is_the_mean_less_a_margin():
    maxima = [0.3, 0.9, 0.6]
    assert dataset_threshold(maxima) == pytest.approx(0.5)
    assert dataset_threshold(maxima, margin=0) == pytest.approx(0.6)
    assert dataset_threshold(iter([2.0]), margin=5) == -3.0


def test_the_threshold_does_not_depend_on_the_order():
    rng = np.random.default_rng(0)
    maxima = rng.uniform(size=1000) * 10.0 ** rng.integers(-6, 6, 1000)
    of = {dataset_threshold(rng.permutation(maxima)) for _ in range(20)}
    assert len(of) == 1


@pytest.mark.parametrize(
    ('maxima', 'margin', 'message'),
    [
        ([], 0.1, 'at least one map'),
        ([0.5, np.nan], 0.1, 'finite'),
        ([0.5], np.inf, 'finite'),
    ],
)
def test_a_threshold_of_nothing_is_none(maxima, margin, message):
    with pytest.raises(ValueError, match=message):
        dataset_threshold(maxima, margin)
