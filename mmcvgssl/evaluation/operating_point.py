"""A threshold chosen on good images, and its detection rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from mmcvgssl.predictions import calls_defective


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold and the false alarms to expect from it.

    An image is called defective if its score is greater than ``threshold``.

    Attributes:
        threshold: One of the good scores.
        false_alarm_rate: The expected share of good images called defective.
        interval: Holds the true false-alarm rate at this threshold with
            probability ``confidence``.
        confidence: Confidence of the interval.
        n: Number of good scores.

    Example:
        >>> scores = np.linspace(0, 1, 99)
        >>> point = operating_point(scores, false_alarm_rate=0.05)
        >>> print(f'{point.threshold:.3f}, {point.false_alarm_rate:.2f}')
        0.959, 0.05
    """

    threshold: float
    false_alarm_rate: float
    interval: tuple[float, float]
    confidence: float
    n: int


@dataclass(frozen=True)
class DetectionRate:
    """The share of defective images above a threshold.

    Attributes:
        rate: Share found.
        interval: Clopper-Pearson interval of the true share.
        confidence: Confidence of the interval.
        n: Number of defective images.

    Example:
        >>> found = detection_rate(np.array([0.2, 0.7, 0.9]), threshold=0.5)
        >>> print(f'{found.rate:.2f}, {found.n} defective images')
        0.67, 3 defective images
    """

    rate: float
    interval: tuple[float, float]
    confidence: float
    n: int


def operating_point(
    good_scores: np.ndarray,
    false_alarm_rate: float = 0.05,
    confidence: float = 0.95,
) -> OperatingPoint:
    """Choose the lowest threshold within a false-alarm rate.

    The threshold is an order statistic of the good scores, which must not
    have been used to fit the model. If m of n independent scores lie above
    it, the true false-alarm rate follows Beta(m + 1, n - m), whatever the
    distribution of the scores, as long as it is continuous; its mean
    (m + 1) / (n + 1) stays at or below the wanted rate. Where scores equal
    the threshold, the Clopper-Pearson interval of m in n is given, which is
    wider.

    Args:
        good_scores: [n], of good images alone.
        false_alarm_rate: Wanted share of good images called defective.
        confidence: Confidence of the interval.

    Raises:
        ValueError: If there are too few good images for the wanted rate (the
            message says how many are needed), or a score is not finite.

    Example:
        >>> point = operating_point(np.arange(19.0), 0.1)
        >>> point.threshold, point.n
        (17.0, 19)
    """
    _check_share('false_alarm_rate', false_alarm_rate)
    _check_share('confidence', confidence)
    scores = np.sort(_finite(good_scores))
    n = len(scores)
    allowed = check_count(n, false_alarm_rate)
    threshold = scores[n - min(allowed, n)]
    above = int(calls_defective(scores, threshold).sum())
    if (scores == threshold).sum() > 1:
        interval = _clopper_pearson(above, n, confidence)
    else:
        tails = (1 - confidence) / 2, (1 + confidence) / 2
        low, high = beta.ppf(tails, above + 1, n - above)
        interval = float(low), float(high)
    return OperatingPoint(
        threshold=float(threshold),
        false_alarm_rate=(above + 1) / (n + 1),
        interval=interval,
        confidence=confidence,
        n=n,
    )


def check_count(n: int, false_alarm_rate: float) -> int:
    """Return how many of the next n + 1 good images may be called defective.

    Raises:
        ValueError: If none may: says how many images the rate needs.
    """
    # 1e-9: a rate of 0.29 and 99 images is 29 of 100, not 28
    allowed = math.floor(false_alarm_rate * (n + 1) + 1e-9)
    if allowed < 1:
        needed = math.ceil(1 / false_alarm_rate - 1e-9) - 1
        raise ValueError(
            f'a false-alarm rate of {false_alarm_rate:g} needs at least '
            f'{needed} good images, got {n}: give more good images, or allow '
            'more false alarms'
        )
    return allowed


def detection_rate(
    defect_scores: np.ndarray, threshold: float, confidence: float = 0.95
) -> DetectionRate:
    """Count the defective images above a threshold.

    Args:
        defect_scores: [n], of defective images alone.
        threshold: Chosen without them, see :func:`operating_point`.
        confidence: Confidence of the interval.

    Raises:
        ValueError: If there are no scores or one is not finite.

    Example:
        >>> detection_rate(np.array([1.0, 2.0, 3.0, 4.0]), 1.5).rate
        0.75
    """
    _check_share('confidence', confidence)
    scores = _finite(defect_scores)
    n = len(scores)
    if not n:
        raise ValueError(
            'a detection rate needs at least one defective image, got none'
        )
    found = int(calls_defective(scores, threshold).sum())
    return DetectionRate(
        rate=found / n,
        interval=_clopper_pearson(found, n, confidence),
        confidence=confidence,
        n=n,
    )


def _clopper_pearson(k: int, n: int, confidence: float) -> tuple[float, float]:
    """Return the confidence interval of a share, after ``k`` of ``n``."""
    tail = (1 - confidence) / 2
    low = beta.ppf(tail, k, n - k + 1) if k else 0.0
    high = beta.ppf(1 - tail, k + 1, n - k) if k < n else 1.0
    return float(low), float(high)


def _finite(scores: np.ndarray) -> np.ndarray:
    scores = np.asarray(scores, np.float64).ravel()
    if not np.isfinite(scores).all():
        raise ValueError(
            'scores must be finite, got NaN or infinity among '
            f'{len(scores)} scores'
        )
    return scores


def _check_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ValueError(f'{name} is a share between 0 and 1, got {value}')
