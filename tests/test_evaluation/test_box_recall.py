"""Recall and precision of boxes, against counting by hand."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from mmcvgssl.evaluation.box_recall import BoxRecall, match_boxes

IOUS = (0.5, 0.3)
CLASSES = ('dent', 'rust', 'scratch')


def boxes_of(rng, count, side=20):
    """Draw boxes that overlap often, on a coarse grid for ties."""
    corner = rng.integers(0, side, (count, 2))
    return np.concatenate(
        [corner, corner + rng.integers(1, 12, (count, 2))], 1
    )


def slow_iou(a, b):
    pixels = [
        {(x, y) for x in range(x1, x2) for y in range(y1, y2)}
        for x1, y1, x2, y2 in (a.tolist(), b.tolist())
    ]
    return len(pixels[0] & pixels[1]) / len(pixels[0] | pixels[1])


def slow_match(boxes, scores, truth, iou):
    """Give each box, best first, the free true box it overlaps most."""
    matched = [-1] * len(boxes)
    order = sorted(range(len(boxes)), key=lambda i: (-scores[i], i))
    for i in order:
        best, most = -1, 0.0
        for j in range(len(truth)):
            overlap = slow_iou(boxes[i], truth[j])
            if j not in matched and overlap >= iou and overlap > most:
                best, most = j, overlap
        matched[i] = best
    return matched


def scene(seed, n=8, m=6):
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(0, n)), int(rng.integers(0, m))
    scores = rng.integers(0, 5, n) / 4  # with ties
    labels = rng.integers(0, len(CLASSES), m)
    return boxes_of(rng, n), scores, boxes_of(rng, m), labels


@pytest.mark.parametrize('iou', [0.1, 0.3, 0.5])
@pytest.mark.parametrize('seed', range(30))
def test_matches_are_those_of_a_slow_reference(seed, iou):
    boxes, scores, truth, _ = scene(seed)
    got = match_boxes(boxes, scores, truth, iou)
    assert got.tolist() == slow_match(boxes, scores, truth, iou)
    taken = got[got >= 0]
    assert len(taken) == len({*taken.tolist()})
    # greedy finds at least half of what is possible, and no more than all
    possible = np.array(
        [[slow_iou(a, b) >= iou for b in truth] for a in boxes], dtype=float
    ).reshape(len(boxes), len(truth))
    most = possible[linear_sum_assignment(-possible)].sum()
    assert most / 2 <= len(taken) <= most


def test_the_best_score_chooses_first_among_what_is_free():
    truth = np.array([[0, 0, 10, 10], [0, 4, 10, 14]])
    boxes = np.array([[0, 0, 10, 10], [0, 1, 10, 11], [0, 0, 10, 9]])
    scores = np.array([0.2, 0.9, 0.5])
    assert match_boxes(boxes, scores, truth, 0.5).tolist() == [-1, 0, -1]
    assert match_boxes(boxes, scores, truth, 0.3).tolist() == [-1, 0, 1]
    scores = np.array([0.9, 0.5, 0.2])
    assert match_boxes(boxes, scores, truth, 0.5).tolist() == [0, 1, -1]


@pytest.mark.parametrize(
    ('height', 'iou', 'found'),
    [(5, 0.5, 1), (3, 0.3, 1), (7, 0.7, 1), (4, 0.5, 0), (2, 0.3, 0)],
)
def test_an_overlap_of_just_the_limit_counts(height, iou, found):
    truth = np.array([[0, 0, 10, 10]])
    boxes = np.array([[0, 0, 10, height]], dtype=np.float32)
    matched = match_boxes(boxes, np.ones(1), truth, iou)
    assert (matched == 0).sum() == found


def test_boxes_without_area_match_nothing():
    empty = np.zeros((2, 4))
    whole = np.array([[0, 0, 0, 0], [0, 0, 4, 4]])
    assert match_boxes(empty, np.ones(2), whole, 0.3).tolist() == [-1, -1]
    assert match_boxes(whole, np.ones(2), whole, 0.3).tolist() == [-1, 1]


@pytest.mark.parametrize(
    ('boxes', 'scores', 'truth', 'iou', 'message'),
    [
        (np.zeros((2, 4)), np.zeros(3), np.zeros((1, 4)), 0.5, r'\[3\]'),
        (np.zeros((2, 5)), np.zeros(2), np.zeros((1, 4)), 0.5, r'\[2, 5\]'),
        (np.zeros((2, 4)), np.zeros(2), np.zeros(4), 0.5, r'\[4\]'),
        (np.zeros((2, 4)), np.zeros(2), np.zeros((1, 4)), 0.0, 'ratios'),
        (np.zeros((2, 4)), np.zeros(2), np.zeros((1, 4)), 50, 'ratios'),
    ],
)
def test_wrong_input_is_named(boxes, scores, truth, iou, message):
    with pytest.raises(ValueError, match=message):
        match_boxes(boxes, scores, truth, iou)


def measure(scenes):
    recall = BoxRecall(CLASSES, IOUS)
    for one in scenes:
        recall.add(*one)
    return recall.result()


def test_counts_are_those_of_a_slow_reference_in_any_order():
    scenes = [scene(seed) for seed in range(20)]
    result = measure(scenes)
    assert result == measure(scenes[::-1])
    assert result['images'] == 20
    assert result['boxes'] == sum(len(s[0]) for s in scenes) > 0
    assert list(result['iou']) == ['0.5', '0.3']
    for iou in IOUS:
        found = [
            s[3][j]
            for s in scenes
            for j in slow_match(s[0], s[1], s[2], iou)
            if j >= 0
        ]
        true = [label for s in scenes for label in s[3]]
        at = result['iou'][f'{iou:g}']
        assert at['found'] == len(found) > 0
        assert at['recall'] == len(found) / len(true)
        assert at['precision'] == len(found) / result['boxes']
        for i, name in enumerate(CLASSES):
            row = at['classes'][name]
            assert row['true'] == true.count(i)
            assert row['found'] == found.count(i)
            assert row['recall'] == found.count(i) / true.count(i)


def test_true_boxes_find_themselves():
    _, _, truth, labels = scene(4)
    assert len(truth) > 1
    result = measure([(truth, np.ones(len(truth)), truth, labels)])
    for at in result['iou'].values():
        assert at['recall'] == at['precision'] == 1.0


def test_a_ratio_of_nothing_is_none():
    nothing = np.zeros((0, 4)), np.zeros(0)
    truth = np.array([[0, 0, 4, 4]])
    at = measure([(*nothing, truth, np.array([1]))])['iou']['0.5']
    assert at['recall'] == 0.0
    assert at['precision'] is None
    assert at['classes']['dent']['recall'] is None
    at = measure([(truth, np.ones(1), nothing[0], np.zeros(0, int))])['iou']
    assert at['0.5']['recall'] is None
    assert at['0.5']['precision'] == 0.0


@pytest.mark.parametrize('ious', [(), (0.5, 0), (1.1,)])
def test_overlaps_out_of_range_are_refused(ious):
    with pytest.raises(ValueError, match='overlaps'):
        BoxRecall(CLASSES, ious)
