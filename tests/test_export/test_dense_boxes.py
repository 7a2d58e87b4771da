"""Raw boxes become those that the hosts' heads choose."""

import numpy as np
import pytest
import torch
from mmcv.ops import batched_nms

from mmcvgssl.export.dense_boxes import BoxRules, find_boxes, rules_from
from mmcvgssl.export.placement import Placement
from mmcvgssl.maps.nms import nms

RULES = BoxRules(0.1, 0.5, 1000, 300, True)
WHOLE = Placement((100, 100), (100, 100))


def random_boxes(count, seed=0):
    random = np.random.default_rng(seed)
    corner = random.uniform(0, 80, (count, 2))
    sides = random.uniform(2, 60, (count, 2))
    boxes = np.concatenate([corner, corner + sides], 1).astype(np.float32)
    return boxes, random


@pytest.mark.parametrize('seed', range(5))
@pytest.mark.parametrize('threshold', [0.3, 0.7])
def test_boxes_are_suppressed_as_mmcv_does(seed, threshold):
    boxes, random = random_boxes(200, seed)
    scores = np.sort(random.random(200).astype(np.float32))[::-1].copy()
    labels = random.integers(0, 3, 200)
    _, kept = batched_nms(
        torch.from_numpy(boxes),
        torch.from_numpy(scores),
        torch.from_numpy(labels),
        dict(type='nms', iou_threshold=threshold),
    )
    found = nms(boxes, labels, threshold)
    assert sorted(found) == sorted(kept.tolist())


def test_boxes_without_area_are_chosen_only_where_hosts_do():
    boxes = np.array([[5, 5, 5, 9], [5, 5, 9, 5], [5, 5, 9, 9]], np.float32)
    scores = np.array([[0.9], [0.8], [0.7]], np.float32)
    for flat, count in ((True, 3), (False, 1)):
        rules = rules_from({**RULES.as_dict(), 'flat': flat})
        assert len(find_boxes(boxes, scores, rules, WHOLE)['scores']) == count


def test_boxes_left_out_early_change_no_other():
    boxes, random = random_boxes(300)
    scores = random.random((300, 4)).astype(np.float32)
    every = find_boxes(boxes, scores, RULES, WHOLE)
    some = find_boxes(boxes, scores, RULES, WHOLE, least=0.8)
    best = every['scores'] >= 0.8
    assert 0 < best.sum() < len(best)
    for key, values in every.items():
        np.testing.assert_array_equal(some[key], values[best])
    assert (np.diff(every['scores']) <= 0).all()


@pytest.mark.parametrize(
    ('change', 'expected'),
    [
        ({}, [(0, 0.9), (1, 0.8), (1, 0.5)]),
        (dict(several=False), [(0, 0.9), (1, 0.5)]),
        (dict(most=1), [(0, 0.9)]),
        (dict(candidates=2), [(0, 0.9), (1, 0.8)]),
        (dict(score_threshold=0.5), [(0, 0.9), (1, 0.8)]),
    ],
)
def test_rules_choose_boxes(change, expected):
    boxes = np.array([[0, 0, 9, 9], [50, 50, 70, 70]], np.float32)
    scores = np.array([[0.9, 0.8], [0.2, 0.5]], np.float32)
    scores[1, 0] = 0.05
    rules = rules_from({**RULES.as_dict(), **change})
    found = find_boxes(boxes, scores, rules, WHOLE)
    pairs = zip(found['labels'], found['scores'], strict=True)
    assert [(int(a), round(float(b), 2)) for a, b in pairs] == expected


def test_boxes_are_moved_and_cut_to_the_image():
    placement = Placement((50, 100), (128, 256), (64, 0))
    boxes = np.array([[0, 0, 256, 256], [128, 64, 192, 128]], np.float32)
    scores = np.array([[0.9], [0.8]], np.float32)
    found = find_boxes(boxes, scores, RULES, placement)
    np.testing.assert_allclose(
        found['boxes'], [[0, 0, 100, 50], [50, 0, 75, 25]], atol=1e-4
    )


def test_no_box_is_none():
    found = find_boxes(
        np.zeros((3, 4), np.float32), np.zeros((3, 2)), RULES, WHOLE
    )
    assert [len(values) for values in found.values()] == [0, 0, 0]
