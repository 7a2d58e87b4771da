"""Exact metrics against scikit-learn and against their definitions."""

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import (
    average_precision_score,
    precision_recall_curve,
    roc_auc_score,
)

from mmcvgssl.evaluation import aupro, binary_metrics
from mmcvgssl.evaluation.anomaly_curves import region_weights


def sklearn_metrics(scores, labels) -> dict[str, float]:
    scores, labels = np.ravel(scores), np.ravel(labels)
    precision, recall, _ = precision_recall_curve(labels, scores)
    total = np.maximum(precision + recall, 1e-12)
    return {
        'auroc': roc_auc_score(labels, scores),
        'ap': average_precision_score(labels, scores),
        'f1_max': (2 * precision * recall / total).max(),
    }


def slow_aupro(maps, masks, limit, thresholds=None) -> float:
    """Walk down the thresholds one by one."""
    regions, normal = [], []
    for anomaly_map, mask in zip(maps, masks, strict=True):
        labels, n = ndimage.label(mask > 0, np.ones((3, 3)))
        regions += [anomaly_map[labels == i + 1] for i in range(n)]
        normal.append(anomaly_map[labels == 0])
    normal = np.concatenate(normal)
    if thresholds is None:
        thresholds = np.unique(np.concatenate([normal, *regions]))
    area, old_rate, old_overlap = 0.0, 0.0, 0.0
    for threshold in sorted(thresholds, reverse=True):
        rate = np.mean(normal >= threshold)
        overlap = np.mean([np.mean(r >= threshold) for r in regions])
        if rate > limit:
            part = (limit - old_rate) / (rate - old_rate)
            at_limit = old_overlap + part * (overlap - old_overlap)
            area += (limit - old_rate) * (old_overlap + at_limit) / 2
            return area / limit
        area += (rate - old_rate) * (old_overlap + overlap) / 2
        old_rate, old_overlap = rate, overlap
    return (area + (limit - old_rate) * old_overlap) / limit


def defects(seed: int, sizes, dtype=np.float64, levels: int = 0):
    """Make maps and masks: blobs, brighter than a noisy ground.

    With ``levels``, maps have that many distinct values, so ties abound.
    """
    random = np.random.RandomState(seed)
    maps, masks = [], []
    for height, width in sizes:
        field = ndimage.gaussian_filter(random.randn(height, width), 2.5)
        mask = field > 1.4 * field.std()
        noise = ndimage.gaussian_filter(random.randn(height, width), 1)
        value = noise + 2 * field * random.uniform(0.3, 1)
        if levels:
            value = np.round(value * levels / np.ptp(value))
        maps.append(value.astype(dtype))
        masks.append(mask.astype(np.uint8) * 255)
    return maps, masks


@pytest.mark.parametrize('levels', [0, 2, 7, 100])
@pytest.mark.parametrize('share', [0.02, 0.5, 0.9])
@pytest.mark.parametrize('scale', [1e-20, 1.0, -300.0])
def test_scores_agree_with_scikit_learn(levels, share, scale):
    random = np.random.RandomState(levels)
    labels = random.rand(500) < share
    labels[:2] = True, False
    scores = random.randn(500) + labels
    if levels:
        scores = np.round(scores * levels / 6)
    scores *= scale
    assert binary_metrics(scores, labels * 3) == pytest.approx(
        sklearn_metrics(scores, labels), abs=1e-12
    )


@pytest.mark.parametrize(
    ('scores', 'labels', 'expected'),
    [
        ([1, 2, 3, 4], [0, 0, 1, 1], (1, 1, 1)),
        ([4, 3, 2, 1], [0, 0, 1, 1], (0, (1 / 3 + 1 / 2) / 2, 2 / 3)),
        ([5, 5, 5, 5], [0, 0, 0, 1], (0.5, 0.25, 0.4)),
        ([[1, 2], [3, 4]], [[0, 1], [0, 1]], (0.75, 5 / 6, 0.8)),
    ],
)
def test_small_cases_by_hand(scores, labels, expected):
    metrics = binary_metrics(np.array(scores), np.array(labels))
    assert list(metrics) == ['auroc', 'ap', 'f1_max']
    assert tuple(metrics.values()) == pytest.approx(expected)


@pytest.mark.parametrize('label', [0, 1])
def test_one_class_alone_has_no_metrics(label):
    metrics = binary_metrics(np.arange(3.0), np.full(3, label))
    assert np.isnan(list(metrics.values())).all()
    assert np.isnan(aupro([np.eye(3)], [np.full((3, 3), label)]))


def test_no_images_have_no_aupro():
    assert np.isnan(aupro([], []))


@pytest.mark.parametrize('levels', [0, 3, 12])
@pytest.mark.parametrize('limit', [0.01, 0.05, 0.3, 1.0])
def test_aupro_agrees_with_its_definition(limit, levels):
    maps, masks = defects(3, [(30, 24), (17, 40), (25, 25)], levels=levels)
    assert any(ndimage.label(mask)[1] > 1 for mask in masks)
    expected = slow_aupro(maps, masks, limit)
    assert 0 < expected < 1
    assert aupro(maps, masks, limit) == pytest.approx(expected, abs=1e-12)


def test_aupro_by_hand():
    anomaly_map = np.array([[9, 0, 8, 7], [0, 0, 0, 1]])
    mask = np.array([[1, 0, 1, 0], [0, 0, 0, 1]])
    # two regions, of one and of two pixels that touch at a corner: at 8 the
    # overlap is 3/4, at 7 one pixel of five is false, at 1 all is found
    assert aupro([anomaly_map], [mask], 0.2) == pytest.approx(0.75)
    assert aupro([anomaly_map], [mask], 0.4) == pytest.approx(0.875)
    assert aupro([anomaly_map], [mask], 0.1) == pytest.approx(0.75)
    assert aupro([mask], [mask], 0.3) == 1.0
    # one threshold finds all or nothing: the line from 0 to 1
    flat = np.ones_like(mask)
    assert aupro([flat], [mask], 0.3) == pytest.approx(0.15)


def test_small_regions_count_as_much_as_large_ones():
    mask = np.zeros((20, 20), np.uint8)
    mask[2:12, 2:12] = 1
    mask[18, 18] = 1
    large, small = mask * 1.0, mask * 1.0
    large[18, 18] = 0
    small[2:12, 2:12] = 0
    assert aupro([large], [mask]) == pytest.approx(aupro([small], [mask]))
    assert aupro([large], [mask], 1.0) == pytest.approx(0.75)


def test_regions_touch_at_corners_and_end_at_borders():
    mask = np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 0, 1]])
    weights = region_weights(mask)
    assert weights == pytest.approx([1 / 2, 1 / 3, 1 / 2, 1 / 3, 1 / 3])


def test_values_depend_on_order_alone():
    maps, masks = defects(5, [(20, 20)] * 2)
    assert aupro([np.exp(3 * m) for m in maps], masks) == aupro(maps, masks)
    labels = np.concatenate(masks)
    scores = np.concatenate(maps)
    assert binary_metrics(np.exp(scores), labels) == binary_metrics(
        scores, labels
    )


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(bad):
    values = np.array([[0.0, bad]])
    with pytest.raises(ValueError, match='finite'):
        binary_metrics(values, np.array([[0, 1]]))
    with pytest.raises(ValueError, match='finite'):
        aupro([values], [np.array([[0, 1]])])


def test_other_misfits_are_refused():
    with pytest.raises(ValueError, match=r'one shape.*\(3,\) and \(2,\)'):
        binary_metrics(np.zeros(3), np.zeros(2))
    with pytest.raises(ValueError, match=r'\(2, 2\) and \(3, 3\)'):
        aupro([np.zeros((2, 2))], [np.zeros((3, 3))])
    with pytest.raises(ValueError, match='zip'):
        aupro([np.zeros((2, 2))], [])
    for limit in (0.0, -0.1, 1.1):
        with pytest.raises(ValueError, match=r'rate in \(0, 1\]'):
            aupro([np.eye(2)], [np.eye(2)], limit)
