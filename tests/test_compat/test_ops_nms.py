"""NMS, NMS matching and soft-NMS against loops over their definitions."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.ops import batched_nms, nms, nms_match, soft_nms

F32 = np.float32


def iou(a, b, offset=0):
    """Intersection over union in C floats, sides being x2 - x1 + offset."""
    width = max(min(a[2], b[2]) - max(a[0], b[0]) + offset, F32(0))
    height = max(min(a[3], b[3]) - max(a[1], b[1]) + offset, F32(0))
    inter = width * height
    area_a = (a[2] - a[0] + offset) * (a[3] - a[1] + offset)
    area_b = (b[2] - b[0] + offset) * (b[3] - b[1] + offset)
    with np.errstate(invalid='ignore', divide='ignore'):
        return inter / (area_a + area_b - inter)


def slow_nms(boxes, scores, threshold, offset):
    left = sorted(range(len(boxes)), key=lambda i: (-scores[i], i))
    kept = []
    while left:
        best = left.pop(0)
        kept.append(best)
        left = [
            i
            for i in left
            if not iou(boxes[best], boxes[i], offset) > F32(threshold)
        ]
    return kept


def slow_match(boxes, scores, threshold):
    left = sorted(range(len(boxes)), key=lambda i: (-scores[i], i))
    groups = []
    while left:
        best = left.pop(0)
        hits = [
            i for i in left if iou(boxes[best], boxes[i]) >= F32(threshold)
        ]
        groups.append([best, *hits])
        left = [i for i in left if i not in hits]
    return groups


def slow_soft_nms(boxes, scores, threshold, sigma, min_score, method, offset):
    """Only for scores that stay distinct, where the order is no question."""
    scores = list(scores)
    left = list(range(len(boxes)))
    found = []
    while left:
        best = max(left, key=lambda i: scores[i])
        left.remove(best)
        found.append((best, scores[best]))
        for i in list(left):
            overlap = iou(boxes[best], boxes[i], offset)
            if method == 'gaussian':
                scores[i] *= F32(math.exp(-(overlap**2) / sigma))
            elif overlap >= F32(threshold):
                scores[i] *= F32(0 if method == 'naive' else 1 - overlap)
            if scores[i] < F32(min_score):
                left.remove(i)
    return found


def draw_boxes(rng, number, integer):
    corner = rng.uniform(0, 20, (number, 2))
    boxes = np.concatenate(
        [corner, corner + rng.uniform(1, 12, (number, 2))], 1
    )
    return (boxes.round() if integer else boxes).astype(F32)


def draw_scores(rng, number, ties):
    if ties:
        return rng.integers(1, 4, number).astype(F32) / 4
    return (rng.permutation(number).astype(F32) + 1) / (number + 1)


cases = st.tuples(
    st.integers(0, 2**32 - 1),
    st.integers(1, 30),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0.1, 0.3, 0.5, 0.6, 0.7, 0.9]),
)


@pytest.mark.parametrize('offset', [0, 1])
@settings(max_examples=40, deadline=None)
@given(case=cases)
def test_nms_is_greedy(ext, offset, case):
    seed, number, integer, ties, threshold = case
    rng = np.random.default_rng(seed)
    boxes = draw_boxes(rng, number, integer)
    scores = draw_scores(rng, number, ties)
    want = slow_nms(boxes, scores, threshold, offset)
    dets, kept = nms(boxes, scores, threshold, offset=offset)
    assert kept.tolist() == want
    np.testing.assert_array_equal(dets[:, :4], boxes[want])
    np.testing.assert_array_equal(dets[:, 4], scores[want])


@pytest.mark.parametrize('offset', [0, 1])
def test_nms_over_several_blocks(ext, offset, device):
    rng = np.random.default_rng(3)
    boxes = draw_boxes(rng, 600, False) * F32(4)
    scores = draw_scores(rng, 600, False)
    _, kept = nms(
        torch.from_numpy(boxes).to(device),
        torch.from_numpy(scores).to(device),
        0.5,
        offset=offset,
    )
    assert kept.tolist() == slow_nms(boxes, scores, 0.5, offset)


# Overlaps: 0 and 1 by 3 of 5 parts, 0 and 2 by 2 of 5, 1 and 2 by 2 of 3.
EDGE = torch.tensor([[0.0, 0, 5, 1], [0, 0, 3, 1], [0, 0, 2, 1]])


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize(
    ('threshold', 'want'), [(0.6, [0, 1]), (0.59, [0, 2]), (0.3, [0])]
)
def test_nms_keeps_an_overlap_of_just_the_threshold(
    ext, device, offset, threshold, want
):
    """A threshold of 0.6 is the C float 0.6, which 3 / 5 does not exceed."""
    boxes = EDGE.clone()
    boxes[:, 2:] -= offset
    scores = torch.tensor([0.9, 0.8, 0.7])
    got = ext.nms(boxes.to(device), scores.to(device), threshold, offset)
    assert got.tolist() == want


@pytest.mark.parametrize('offset', [0, 1])
def test_nms_without_boxes(ext, device, offset):
    got = ext.nms(
        torch.zeros(0, 4, device=device),
        torch.zeros(0, device=device),
        0.5,
        offset,
    )
    assert got.shape == (0,)
    assert got.dtype == torch.long


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('offset', [0, 1])
def test_nms_takes_half_precision(ext, device, dtype, offset):
    rng = np.random.default_rng(5)
    boxes = torch.from_numpy(draw_boxes(rng, 12, True)).to(device, dtype)
    scores = torch.linspace(0.9, 0.2, 12).to(device, dtype)
    want = slow_nms(
        boxes.float().cpu().numpy(), scores.float().cpu().numpy(), 0.4, offset
    )
    with torch.autocast(device, dtype=dtype):
        assert ext.nms(boxes, scores, 0.4, offset).tolist() == want


def test_nms_refuses_other_shapes(ext):
    with pytest.raises(ValueError, match=r'`boxes` of shape \(N,4\)'):
        ext.nms(torch.zeros(3, 5), torch.zeros(3), 0.5, 0)
    with pytest.raises(ValueError, match=r'`scores` of shape \(3\)'):
        ext.nms(torch.zeros(3, 4), torch.zeros(2), 0.5, 0)


@pytest.mark.parametrize('split_thr', [10000, 5])
def test_batched_nms_separates_classes(ext, device, split_thr):
    rng = np.random.default_rng(7)
    boxes, scores = draw_boxes(rng, 24, False), draw_scores(rng, 24, False)
    classes = rng.integers(0, 3, 24)
    want = []
    for label in range(3):
        ids = np.flatnonzero(classes == label)
        want += ids[slow_nms(boxes[ids], scores[ids], 0.4, 0)].tolist()
    want.sort(key=lambda i: -scores[i])
    dets, kept = batched_nms(
        torch.from_numpy(boxes).to(device),
        torch.from_numpy(scores).to(device),
        torch.from_numpy(classes).to(device),
        {'type': 'nms', 'iou_threshold': 0.4, 'split_thr': split_thr},
    )
    assert kept.tolist() == want
    np.testing.assert_array_equal(dets[:, 4].cpu(), scores[want])


@settings(max_examples=40, deadline=None)
@given(case=cases)
def test_nms_match_groups(ext, case):
    seed, number, integer, ties, threshold = case
    rng = np.random.default_rng(seed)
    boxes = draw_boxes(rng, number, integer)
    scores = draw_scores(rng, number, ties)
    dets = torch.from_numpy(np.concatenate([boxes, scores[:, None]], 1))
    got = [group.tolist() for group in nms_match(dets, threshold)]
    assert got == slow_match(boxes, scores, threshold)


def test_nms_match_counts_an_overlap_of_just_the_threshold(ext):
    dets = torch.cat([EDGE, torch.tensor([[0.9], [0.8], [0.7]])], 1)
    assert ext.nms_match(dets, 0.6) == [[0, 1], [2]]


@pytest.mark.parametrize('method', ['naive', 'linear', 'gaussian'])
@pytest.mark.parametrize('offset', [0, 1])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), number=st.integers(1, 20))
def test_soft_nms_decays(ext, method, offset, seed, number):
    rng = np.random.default_rng(seed)
    boxes = draw_boxes(rng, number, False)
    scores = rng.uniform(0.05, 1, number).astype(F32)
    settings_ = (0.3, 0.5, 0.1, method, offset)
    want = slow_soft_nms(boxes, scores, *settings_)
    dets, kept = soft_nms(boxes, scores, *settings_)
    assert kept.tolist() == [index for index, _ in want]
    np.testing.assert_allclose(dets[:, 4], [s for _, s in want], atol=1e-5)
    np.testing.assert_array_equal(dets[:, :4], boxes[kept])


def test_soft_nms_fills_gaps_from_the_end(ext):
    """Boxes 1 and 2 go, so 5 and then 4 move up before 3, their equal."""
    lefts = [0.0, 0.0, 0.0, 10.0, 20.0, 30.0]
    boxes = torch.tensor([[left, 0, left + 4, 4] for left in lefts])
    scores = torch.tensor([0.9, 0.8, 0.7, 0.5, 0.5, 0.5])
    _, kept = soft_nms(boxes, scores, 0.3, 0.5, 0.1, 'naive')
    assert kept.tolist() == [0, 5, 4, 3]


def test_soft_nms_lives_with_a_score_that_is_no_number(ext):
    """Two equal boxes without area have no overlap to speak of."""
    boxes = torch.tensor([[1.0, 1, 1, 1], [1, 1, 1, 1], [5, 5, 9, 9]])
    scores = torch.tensor([0.9, 0.8, 0.7])
    dets, kept = soft_nms(boxes, scores, method='gaussian')
    assert kept.tolist() == [0, 1, 2]
    assert dets[:, 4].isnan().tolist() == [False, True, False]


def test_soft_nms_refuses_an_unknown_method(ext):
    boxes = torch.zeros(2, 4)
    with pytest.raises(ValueError, match='expected method 0, 1 or 2'):
        ext.softnms(
            boxes, torch.ones(2), torch.zeros(2, 5), 0.3, 0.5, 0.1, 3, 0
        )
