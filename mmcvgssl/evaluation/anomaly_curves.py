"""AUROC, AP, F1-max and AUPRO of anomaly scores and maps."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from sklearn.metrics import auc


def binary_metrics(scores: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Compute ``auroc``, ``ap`` and ``f1_max``, exactly.

    Args:
        scores: Any shape; higher means more anomalous.
        labels: Same shape; 0 is good, anything else a defect.

    Returns:
        Values in [0, 1]; all NaN if there are no good ones or no defects.

    Raises:
        ValueError: If shapes differ or a score is not finite.

    Example:
        >>> found = binary_metrics(np.array([0.1, 0.4, 0.8]), [0, 0, 1])
        >>> found['auroc'], found['ap'], found['f1_max']
        (1.0, 1.0, 1.0)
    """
    scores, labels = np.asarray(scores), np.asarray(labels) != 0
    _check(scores, labels)
    good, defect = _by_score(scores.ravel(), labels.ravel())
    return metrics_of_masses(good, defect)


def aupro(
    maps: Iterable[np.ndarray],
    masks: Iterable[np.ndarray],
    fpr_limit: float = 0.3,
) -> float:
    """Compute the area under the per-region overlap curve, exactly.

    Per-region overlap is the share found of each defect region (8-connected),
    averaged over the regions of all images; the false positive rate is that
    of the normal pixels of all images
    (https://doi.org/10.1007/s11263-020-01400-4).

    Args:
        maps: Anomaly maps [h, w], of any sizes.
        masks: One mask for each map, of its size; greater than 0 is defect.
        fpr_limit: Where the curve ends, in (0, 1].

    Returns:
        The area divided by ``fpr_limit``; NaN if there is no normal or no
        defective pixel.

    Raises:
        ValueError: If sizes differ or a value is not finite.

    Example:
        >>> mask = np.array([[0, 0, 1], [0, 0, 1]])
        >>> aupro([mask * 2.0], [mask])
        1.0
    """
    check_fpr_limit(fpr_limit)
    values, is_defect, weights = [], [], []
    for anomaly_map, mask in zip(maps, masks, strict=True):
        anomaly_map, defect = np.asarray(anomaly_map), np.asarray(mask) > 0
        _check(anomaly_map, defect)
        weight = np.ones(defect.shape)
        weight[defect] = region_weights(defect)
        values.append(anomaly_map.ravel())
        is_defect.append(defect.ravel())
        weights.append(weight.ravel())
    if not values:
        return float('nan')
    normal, regions = _by_score(
        np.concatenate(values),
        np.concatenate(is_defect),
        np.concatenate(weights),
    )
    return aupro_of_masses(normal, regions, fpr_limit)


def metrics_of_masses(
    good: np.ndarray, defect: np.ndarray
) -> dict[str, float]:
    """Compute ``auroc``, ``ap`` and ``f1_max`` of masses [n].

    Entry i of both is the mass at the i-th of the scores, in ascending order;
    equal scores belong to one entry.
    """
    false, true = _above(good), _above(defect)
    if not false[-1] or not true[-1]:
        return dict.fromkeys(('auroc', 'ap', 'f1_max'), float('nan'))
    # other thresholds do not change the recall, and would divide by 0
    found = np.flatnonzero(np.diff(true)) + 1
    precision = true[found] / (true[found] + false[found])
    gains = true[found] - true[found - 1]
    return {
        'auroc': float(auc(false / false[-1], true / true[-1])),
        'ap': float((precision * gains).sum() / true[-1]),
        'f1_max': float((2 * true / (true + false + true[-1])).max()),
    }


def aupro_of_masses(
    normal: np.ndarray, regions: np.ndarray, fpr_limit: float = 0.3
) -> float:
    """Compute AUPRO of masses [n] by ascending value.

    Args:
        normal: Number of normal pixels.
        regions: Sum of the weights of defective pixels, each one divided by
            the size of its region.
        fpr_limit: Where the curve ends, in (0, 1].
    """
    rate, overlap = _above(normal), _above(regions)
    if not rate[-1] or not overlap[-1]:
        return float('nan')
    rate, overlap = rate / rate[-1], overlap / overlap[-1]
    inside = rate <= fpr_limit
    end = np.interp(fpr_limit, rate, overlap)
    area = auc(
        np.append(rate[inside], fpr_limit), np.append(overlap[inside], end)
    )
    return float(area / fpr_limit)


def region_weights(mask: np.ndarray) -> np.ndarray:
    """Weigh each pixel of ``mask`` by one over the size of its region.

    Args:
        mask: [H, W], nonzero is defect; regions are 8-connected.

    Returns:
        In the order of ``mask[mask != 0]``.
    """
    defect = np.asarray(mask) != 0
    _, regions = cv2.connectedComponents(
        defect.astype(np.uint8), connectivity=8
    )
    inside = regions[defect]
    return 1 / np.bincount(inside)[inside]


def check_fpr_limit(fpr_limit: float) -> None:
    """Raise ValueError if the limit is not a false positive rate."""
    if not 0 < fpr_limit <= 1:
        raise ValueError(f'fpr_limit is a rate in (0, 1], got {fpr_limit}')


def _above(masses: np.ndarray) -> np.ndarray:
    """Return the mass above each score, from the highest score down."""
    return np.concatenate([[0.0], np.cumsum(masses[::-1])])


def _by_score(
    scores: np.ndarray,
    is_defect: np.ndarray,
    weights: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the masses of good and of defect at each distinct score."""
    distinct, rank = np.unique(scores, return_inverse=True)
    weights = np.ones(len(scores)) if weights is None else weights
    good, defect = (
        np.bincount(rank[chosen], weights[chosen], len(distinct))
        for chosen in (~is_defect, is_defect)
    )
    return good, defect


def _check(scores: np.ndarray, labels: np.ndarray) -> None:
    if scores.shape != labels.shape:
        raise ValueError(
            'scores and labels (or a map and its mask) must have one shape, '
            f'got {scores.shape} and {labels.shape}'
        )
    if not np.isfinite(scores).all():
        raise ValueError('scores and maps must be finite, got NaN or infinity')
