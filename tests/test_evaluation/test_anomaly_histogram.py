"""Streamed distributions against exact ones, in bounded memory."""

import pickle

import numpy as np
import pytest

from mmcvgssl.evaluation import ScoreHistogram, aupro, score_histogram
from mmcvgssl.evaluation.anomaly_curves import (
    aupro_of_masses,
    metrics_of_masses,
    region_weights,
)
from mmcvgssl.evaluation.score_histogram import BINS
from tests.test_evaluation.test_anomaly_curves import (
    defects,
    sklearn_metrics,
    slow_aupro,
)

LIMIT = 2**15
GOOD, DEFECT = 100_000, 5_000


def logistic(x):
    return 1 / (1 + np.exp(-x))


def band(centre, width):
    def draw(random):
        good = random.randn(GOOD).clip(-4, 4) / 5
        defect = random.randn(DEFECT).clip(-4, 4) / 5 + 0.2
        return centre + width * good, centre + width * defect

    return draw


def spread_and_band(random):
    """Half over twenty orders of magnitude, half in a narrow band."""
    good = np.exp(12 * random.randn(GOOD))
    good[::2] = 1000 + 0.1 * random.randn(GOOD // 2)
    defect = 1000.1 + 0.1 * random.randn(DEFECT)
    return good, defect


CASES = {
    'normal': lambda r: (r.randn(GOOD), r.randn(DEFECT) + 2),
    'negative distances': lambda r: (
        -np.exp(3 * r.randn(GOOD)),
        -np.exp(3 * r.randn(DEFECT) - 3),
    ),
    'probabilities': lambda r: (
        logistic(3 * r.randn(GOOD) - 4),
        logistic(3 * r.randn(DEFECT) + 1),
    ),
    'saturated': lambda r: (
        logistic(9 * r.randn(GOOD)),
        logistic(9 * r.randn(DEFECT) + 16),
    ),
    'band at 0.5': band(0.5, 0.01),
    'band at 1000': band(1000, 0.5),
    'band at -1e6': band(-1e6, 1e4),
    'tiny': band(1e-39, 1e-39),
    'spread and band': spread_and_band,
    # few defects among the highest of many good ones
    'rare': lambda r: (r.randn(GOOD), r.randn(60) + 4),
    'rare good': lambda r: (r.randn(60), r.randn(GOOD)),
    'heavy tails': lambda r: (
        r.standard_t(1, GOOD),
        3 * r.standard_t(1, DEFECT),
    ),
    'ties': lambda r: (
        np.concatenate([r.randn(GOOD), np.round(r.randn(GOOD), 1)]),
        np.concatenate([r.randn(DEFECT), np.ones(DEFECT)]),
    ),
}


def metrics(histogram) -> dict[str, float]:
    return metrics_of_masses(histogram.masses('good'), histogram.masses('bad'))


def fill(histogram, good, bad, parts=8):
    for one, other in zip(
        np.array_split(good, parts), np.array_split(bad, parts), strict=True
    ):
        histogram.add(one, 'good')
        histogram.add(other, 'bad')
    return histogram


@pytest.mark.parametrize('name', CASES)
def test_an_eighth_of_the_bins_keeps_the_promise(name, monkeypatch):
    # as many values a bin as millions of values would give
    monkeypatch.setattr(score_histogram, 'BINS', BINS // 8)
    good, bad = CASES[name](np.random.RandomState(0))
    histogram = fill(ScoreHistogram(BINS // 8), good, bad)
    assert not histogram.exact
    assert len(histogram.masses('good')) <= BINS // 8
    # float32 is what the histogram sees, and what maps come in
    expected = sklearn_metrics(
        np.concatenate([good, bad]).astype(np.float32),
        np.repeat([0, 1], [len(good), len(bad)]),
    )
    assert metrics(histogram) == pytest.approx(expected, abs=1e-3)
    assert histogram.masses('good').sum() == len(good)
    assert histogram.masses('bad').sum() == len(bad)


@pytest.mark.parametrize(
    'order', ['good first', 'bad first', 'rising', 'falling', 'merged']
)
@pytest.mark.parametrize('name', ['normal', 'saturated', 'rare'])
def test_the_order_of_coming_does_not_matter(name, order):
    good, bad = CASES[name](np.random.RandomState(1))
    expected = sklearn_metrics(
        np.concatenate([good, bad]).astype(np.float32),
        np.repeat([0, 1], [len(good), len(bad)]),
    )
    histogram = ScoreHistogram(LIMIT)
    if order == 'good first':
        fill(histogram, good, bad[:0])
        fill(histogram, good[:0], bad)
    elif order == 'bad first':
        fill(histogram, good[:0], bad)
        fill(histogram, good, bad[:0])
    elif order == 'rising':
        fill(histogram, np.sort(good), np.sort(bad))
    elif order == 'falling':
        fill(histogram, -np.sort(-good), -np.sort(-bad))
    else:
        for part in range(3):
            one = fill(ScoreHistogram(LIMIT), good[part::3], bad[part::3])
            histogram.merge(pickle.loads(pickle.dumps(one)))
    assert not histogram.exact
    assert metrics(histogram) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize('name', ['normal', 'spread and band', 'saturated'])
def test_a_bin_holds_what_lies_in_its_interval(name):
    good, bad = CASES[name](np.random.RandomState(2))
    scores = np.abs(np.concatenate([good, bad])).astype(np.float32)
    histogram = ScoreHistogram(LIMIT)
    for part in np.array_split(scores, 16):
        histogram.add(part, 'good')
    masses, ids = histogram.masses('good'), histogram._ids
    sizes = ((ids ^ (ids + 1)) + 1) // 2
    first = (ids + 1 - sizes) // 2
    assert (first % sizes == 0).all()
    assert len(np.unique(sizes)) > 3
    # patterns of positive floats are in order, above those of negative ones
    keys = np.sort(scores.view(np.uint32).astype(np.int64) + 2**31)
    for threshold in keys[:: len(keys) // 500]:
        true = len(keys) - np.searchsorted(keys, threshold)
        assert masses[first >= threshold].sum() <= true
        assert masses[first + sizes > threshold].sum() >= true


@pytest.mark.parametrize('limit', [0.02, 0.3])
@pytest.mark.parametrize('transform', [lambda x: x, lambda x: 900 + x / 50])
def test_binned_aupro_agrees_with_its_definition(transform, limit):
    maps, masks = defects(2, [(80, 90)] * 14, np.float32)
    maps = [transform(m).astype(np.float32) for m in maps]
    histogram = ScoreHistogram(LIMIT)
    for anomaly_map, mask in zip(maps, masks, strict=True):
        found = anomaly_map[mask > 0]
        histogram.add(anomaly_map[mask == 0], 'good')
        histogram.add(found, 'regions', region_weights(mask))
    value = aupro_of_masses(
        histogram.masses('good'), histogram.masses('regions'), limit
    )
    assert len(np.unique(maps)) > LIMIT or histogram.exact
    assert value == pytest.approx(aupro(maps, masks, limit), abs=2e-4)
    normal = np.concatenate(
        [m[k == 0] for m, k in zip(maps, masks, strict=True)]
    )
    thresholds = np.quantile(normal, 1 - np.linspace(0, limit * 1.1, 120))
    slow = slow_aupro(maps, masks, limit, thresholds)
    assert value == pytest.approx(slow, abs=1e-3)


def test_few_values_are_exact_and_parts_merge_to_the_whole():
    random = np.random.RandomState(0)
    good, bad = random.randn(9000), np.round(random.randn(700) + 1, 2)
    whole = fill(ScoreHistogram(LIMIT), good, bad)
    merged = ScoreHistogram(LIMIT)
    for part in (0, 2, 1):
        merged.merge(fill(ScoreHistogram(), good[part::3], bad[part::3]))
    merged.merge(ScoreHistogram(LIMIT))
    assert whole.exact
    assert merged.exact
    assert merged.kinds == whole.kinds == ['good', 'bad']
    for kinds in (['good'], ['bad'], ['good', 'bad'], ['none'], []):
        assert np.array_equal(whole.masses(*kinds), merged.masses(*kinds))
    values = np.concatenate([good, bad]).astype(np.float32)
    assert len(whole.masses('bad')) == len(np.unique(values))
    expected = sklearn_metrics(values, np.repeat([0, 1], [9000, 700]))
    assert metrics(whole) == pytest.approx(expected, abs=1e-12)


def test_exact_up_to_the_limit_and_no_further():
    values = np.random.RandomState(0).permutation(2 * LIMIT)
    histogram = ScoreHistogram(LIMIT)
    histogram.add(values[:LIMIT], 'good')
    histogram.add(values[:LIMIT], 'good')
    assert histogram.exact
    assert np.array_equal(histogram.masses('good'), np.full(LIMIT, 2))
    histogram.add(values[LIMIT : LIMIT + 1], 'good')
    assert not histogram.exact
    assert len(histogram.masses('good')) <= BINS
    assert histogram.masses('good').sum() == 2 * LIMIT + 1


def test_order_is_that_of_the_values():
    values = np.array([-np.inf, -1e30, -1, -1e-45, 0, 1e-45, 0.5, 1, 3e38])
    histogram = ScoreHistogram()
    order = np.random.RandomState(0).permutation(np.arange(1, 9))
    histogram.add(values[order], 'k', order)
    assert histogram.masses('k').tolist() == [*range(1, 9)]
    histogram.add(np.array([-0.0, 0.0]), 'k')
    assert histogram.masses('k')[3] == 6


def test_memory_does_not_grow():
    random = np.random.RandomState(0)
    histogram = ScoreHistogram(LIMIT)
    sizes = []
    for _ in range(8):
        histogram.add(random.randn(60_000), 'good')
        histogram.add(random.randn(20_000), 'bad')
        sizes.append(len(pickle.dumps(histogram)))
    assert max(sizes) < LIMIT * 4 * 8
    assert histogram.masses('good').sum() == 480_000


def test_kinds_are_kept_apart():
    histogram = ScoreHistogram()
    histogram.add(np.zeros(0), 'never seen')
    assert histogram.masses('never seen').sum() == 0
    for kind in (0, 1, 'crack', 'dent', 'crack'):
        histogram.add(np.array([1.0]), kind)
    histogram.add(np.array([2.0]), 'dent', np.array([0.25]))
    assert histogram.kinds == [0, 1, 'crack', 'dent']
    assert histogram.masses('crack').tolist() == [2, 0]
    assert histogram.masses('dent', 1).tolist() == [2, 0.25]
    assert histogram.masses('rust').tolist() == [0, 0]


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf, 1e39])
def test_values_must_be_finite(bad):
    with pytest.raises(
        ValueError, match=rf'finite.*{bad:g}'.replace('+', '.')
    ):
        ScoreHistogram().add(np.array([0.0, bad]), 'good')


def test_the_limit_cannot_be_too_low_for_the_promise():
    with pytest.raises(ValueError, match=f'at least {BINS}.*got 1000'):
        ScoreHistogram(1000)
