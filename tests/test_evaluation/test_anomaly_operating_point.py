"""Thresholds from good images keep what they promise."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from scipy.stats import binom, norm

from mmcvgssl.evaluation import detection_rate, operating_point


@pytest.mark.parametrize('n', [19, 60, 500])
@pytest.mark.parametrize('confidence', [0.8, 0.95])
def test_the_interval_covers_the_true_rate(n, confidence):
    random = np.random.RandomState(n)
    covered, rates = [], []
    for _ in range(1500):
        point = operating_point(random.randn(n), 0.05, confidence)
        low, high = point.interval
        true = norm.sf(point.threshold)
        covered.append(low <= true <= high)
        rates.append(true)
    # four standard errors
    slack = 4 * np.sqrt(confidence * (1 - confidence) / 1500)
    assert np.mean(covered) == pytest.approx(confidence, abs=slack)
    assert np.mean(rates) == pytest.approx(point.false_alarm_rate, abs=6e-3)
    assert point.false_alarm_rate <= 0.05


@pytest.mark.parametrize('step', [0.1, 0.5, 2.0])
def test_with_ties_it_covers_at_least_as_often(step):
    random = np.random.RandomState(0)
    covered, rates = [], []
    for _ in range(1500):
        scores = np.floor(random.randn(80) / step)
        point = operating_point(scores, 0.1)
        # an alarm: a score of at least one step more
        true = norm.sf((point.threshold + 1) * step)
        covered.append(point.interval[0] <= true <= point.interval[1])
        rates.append(true)
    assert np.mean(covered) > 0.93
    assert np.mean(rates) < 0.105


@pytest.mark.parametrize(
    ('n', 'rate', 'threshold', 'expected'),
    [
        (19, 0.05, 19, 1 / 20),
        (38, 0.05, 38, 1 / 39),
        (39, 0.05, 38, 2 / 40),
        (99, 0.29, 71, 0.29),
        (1, 0.5, 1, 0.5),
        (3, 0.999999999999, 1, 0.75),
        (999, 0.001, 999, 0.001),
    ],
)
def test_the_threshold_is_an_order_statistic(n, rate, threshold, expected):
    scores = np.random.RandomState(0).permutation(n) + 1.0
    point = operating_point(scores, rate)
    assert point.threshold == threshold
    assert point.false_alarm_rate == pytest.approx(expected)
    assert point.false_alarm_rate <= rate
    assert (point.n, point.confidence) == (n, 0.95)
    assert 0 < point.interval[0] < expected < point.interval[1] < 1
    with pytest.raises(FrozenInstanceError):
        point.threshold = 0.0


def test_equal_scores_are_no_alarms():
    point = operating_point(np.full(50, 3.5))
    assert point.threshold == 3.5
    assert point.interval[0] == 0
    assert point.interval[1] == pytest.approx(1 - 0.025 ** (1 / 50))


@pytest.mark.parametrize(
    ('n', 'rate', 'needed'),
    [(18, 0.05, 19), (0, 0.05, 19), (98, 0.01, 99), (5, 0.15, 6)],
)
def test_too_few_good_images_are_refused_and_so_many_are_enough(
    n, rate, needed
):
    with pytest.raises(
        ValueError, match=f'at least {needed} good images, got {n}'
    ):
        operating_point(np.arange(n), rate)
    assert operating_point(np.arange(needed), rate).n == needed


def test_the_share_of_defects_found_has_an_exact_interval():
    random = np.random.RandomState(0)
    covered = []
    for _ in range(1500):
        found = detection_rate(random.randn(40) + 1.5, 0.7)
        true = norm.sf(0.7 - 1.5)
        covered.append(found.interval[0] <= true <= found.interval[1])
    assert 0.95 - 0.02 < np.mean(covered) < 0.99
    rate = detection_rate(np.arange(10), 6, 0.9)
    assert (rate.rate, rate.n, rate.confidence) == (0.3, 10, 0.9)
    # at its ends, what was seen is just as rare as the confidence says
    low, high = rate.interval
    assert binom.sf(2, 10, low) == pytest.approx(0.05)
    assert binom.cdf(3, 10, high) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ('threshold', 'rate', 'end', 'value'), [(-1, 1.0, 1, 1), (9, 0.0, 0, 0)]
)
def test_all_or_none_found(threshold, rate, end, value):
    found = detection_rate(np.arange(10), threshold)
    assert found.rate == rate
    assert found.interval[end] == value
    assert 0 <= found.interval[0] < found.interval[1] <= 1


@pytest.mark.parametrize('value', [0.0, 1.0, -0.1, 2.0])
def test_shares_are_between_0_and_1(value):
    with pytest.raises(ValueError, match='false_alarm_rate is a share'):
        operating_point(np.arange(50), value)
    with pytest.raises(ValueError, match='confidence is a share'):
        operating_point(np.arange(50), confidence=value)
    with pytest.raises(ValueError, match='confidence is a share'):
        detection_rate(np.arange(50), 1.0, value)


def test_scores_must_be_there_and_finite():
    with pytest.raises(ValueError, match='NaN'):
        operating_point(np.array([0.0, np.nan]))
    with pytest.raises(ValueError, match='NaN'):
        detection_rate(np.array([0.0, np.nan]), 1.0)
    with pytest.raises(ValueError, match='at least one defective image'):
        detection_rate(np.zeros(0), 1.0)
