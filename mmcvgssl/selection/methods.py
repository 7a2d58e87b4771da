"""Methods of choosing images worth labelling, from features alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral
from types import MappingProxyType

import numpy as np

from mmcvgssl.selection.clusters import (
    Pool,
    central,
    choose_in_clusters,
    choose_in_strata,
    typical,
)
from mmcvgssl.selection.distances import by_coverage, k_centre

UNCERTAINTY = 'uncertainty'
_SAME = 1e-6  # of features of length 1, which are the same
_MANY = 2  # features for each image, from which on they are made fewer
Method = Callable[[Pool, int, int], list[int]]


def _kmeans(pool: Pool, budget: int, seed: int) -> list[int]:
    found = choose_in_clusters(pool, budget, seed, central(pool))
    return by_coverage(pool, found)


def _typical(pool: Pool, budget: int, seed: int) -> list[int]:
    found = choose_in_clusters(pool, budget, seed, typical(pool))
    return by_coverage(pool, found)


def _k_centre(pool: Pool, budget: int, seed: int) -> list[int]:
    return k_centre(pool, budget)


def _stratified(pool: Pool, budget: int, seed: int) -> list[int]:
    return choose_in_strata(pool, budget, seed)


def _random(pool: Pool, budget: int, seed: int) -> list[int]:
    weights = pool.weights[pool.free]
    chances = weights / weights.sum() if np.ptp(weights) else None
    draw = np.random.RandomState(seed).choice(
        pool.free, budget, replace=False, p=chances
    )
    return draw.tolist()


METHODS = MappingProxyType(
    {
        'kmeans': _kmeans,
        'typical': _typical,
        'kcentre': _k_centre,
        'stratified': _stratified,
        'random': _random,
        UNCERTAINTY: _kmeans,
    }
)


def select(
    features: np.ndarray,
    budget: int,
    method: str = 'kmeans',
    seed: int = 0,
    known: Sequence[int] = (),
    weights: np.ndarray | None = None,
) -> list[int]:
    """Choose images worth labelling.

    - ``'kmeans'``: the image nearest to each centre of k-means.
    - ``'typical'``: the image of the highest density in each of these
      clusters, as in TypiClust, https://arxiv.org/abs/2202.02794.
    - ``'kcentre'``: greedy k-centre, the core-set of
      https://arxiv.org/abs/1708.00489.
    - ``'stratified'``: draws of a few large clusters of k-means, in
      proportion to their sizes.
    - ``'random'``: a draw, to compare with.
    - ``'uncertainty'``: ``'kmeans'`` by weights that say how uncertain a
      classifier of the known labels is, see :func:`uncertainty`; close to
      CLUE, https://arxiv.org/abs/2010.08666, but known images cover their
      clusters.

    Args:
        features: [n, D] of all images, known ones among them; L2-normalised
            here.
        budget: Number of images to choose.
        method: One of the above.
        seed: Seed of k-means and of the draw.
        known: Indices of images that are labelled: they count as covered,
            and are not chosen.
        weights: Worth of each image by other means, above 0, [n], such as
            ranks of anomaly scores.

    Returns:
        Indices in the order of worth: each start of the list is a choice of
        its own.

    Raises:
        ValueError: If the method is unknown, the budget more than the images
            that are not known, or features or weights are no such numbers.

    Example:
        >>> import numpy as np
        >>> features = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 1]])
        >>> sorted(select(features, 2))
        [1, 3]
        >>> select(features, 1, known=[0])
        [3]
    """
    if method not in METHODS:
        raise ValueError(
            f'expected a method of {", ".join(METHODS)}, got {method!r}'
        )
    budget, seed = check_numbers(budget, seed)
    rows = compact(features)
    marks = np.zeros(len(rows), bool)
    marks[list(known)] = True
    pool = Pool(rows, marks, _check_weights(weights, len(rows)))
    if not 1 <= budget <= len(pool.free):
        raise ValueError(
            f'expected a budget of 1 to {len(pool.free)}, the number of '
            f'images that are not labelled, got {budget}'
        )
    chosen = METHODS[method](pool, budget, seed)
    # fewer clusters than wanted, where features repeat
    return [*chosen, *k_centre(pool, budget - len(chosen), chosen)]


def compact(features: np.ndarray) -> np.ndarray:
    """Return features of length 1, no more of them than there are images.

    Where there are many more, they become coordinates in the images' own span:
    angles and distances stay, and what works with these, as clusters and a
    logistic regression do, comes to the same sooner.

    Args:
        features: [n, D].

    Returns:
        float32 [n, D] or [n, n].

    Raises:
        ValueError: If they are not finite, or no matrix.

    Example:
        >>> rows = compact(np.array([[2.0, 0, 0, 0], [0, 3, 0, 0]]))
        >>> rows.shape, (rows @ rows.T).round(3).tolist()
        ((2, 2), [[1.0, 0.0], [0.0, 1.0]])
    """
    rows = _normalise(features)
    if rows.shape[1] < _MANY * len(rows):
        return rows
    wide = rows.astype(np.float64)
    values, vectors = np.linalg.eigh(wide @ wide.T)
    return (vectors * np.sqrt(np.maximum(values, 0))).astype(np.float32)


def uncertainty(probabilities: np.ndarray) -> np.ndarray:
    """Return 1 less the margin of the best class over the next, [n].

    Args:
        probabilities: Of the classes, [n, C].

    Returns:
        Weights in [1e-3, 1]: certain images count, too, but hardly.

    Example:
        >>> uncertainty(np.array([[0.5, 0.5], [0.8, 0.2]])).round(3)
        array([1. , 0.4])
    """
    ordered = np.sort(probabilities, axis=1)
    margin = ordered[:, -1] - ordered[:, -2]
    return np.maximum(1 - margin, 1e-3)


def check_numbers(budget: int, seed: int) -> tuple[int, int]:
    """Return budget and seed as Python's integers.

    Raises:
        ValueError: If one is no whole number, or out of range.
    """
    if not _is_whole(budget) or budget < 1:
        raise ValueError(
            f'expected a budget of 1 image or more, a whole number, got '
            f'{budget!r}'
        )
    if not _is_whole(seed) or not 0 <= seed < 2**32:
        raise ValueError(
            f'expected a seed of 0 to 2**32 - 1, a whole number, got {seed!r}'
        )
    return int(budget), int(seed)


def repeated(
    features: np.ndarray, chosen: Sequence[int], known: Sequence[int] = ()
) -> list[int]:
    """Return chosen images with the features of a known or earlier one.

    Features are the same where pixels are, whatever file they are in; a
    label of such an image teaches nothing new.

    Args:
        features: [n, D].
        chosen: Indices in the order of worth.
        known: Indices of images that are labelled.

    Example:
        >>> repeated(np.array([[1, 0], [1, 1], [2, 0]]), [0, 1, 2])
        [2]
    """
    rows = _normalise(features)
    seen = [*known]
    found = []
    for index in chosen:
        # batches and threads change the last digits
        near = np.abs(rows[seen] - rows[index]) < _SAME
        if len(seen) and near.all(axis=1).any():
            found.append(index)
        seen.append(index)
    return found


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _normalise(features: np.ndarray) -> np.ndarray:
    rows = np.asarray(features, np.float32)
    if rows.ndim != 2 or not np.isfinite(rows).all():
        raise ValueError(
            'expected finite features [n, D], got shape '
            f'{rows.shape}{"" if rows.ndim != 2 else " with NaN or infinity"}'
        )
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(norms, 1e-12)


def _check_weights(weights: np.ndarray | None, n: int) -> np.ndarray:
    if weights is None:
        return np.ones(n)
    own = np.asarray(weights, np.float64)
    if own.shape != (n,) or not (np.isfinite(own) & (own > 0)).all():
        raise ValueError(
            f'expected a finite weight above 0 for each of {n} images, got '
            f'shape {own.shape}{_least(own)}'
        )
    return own


def _least(values: np.ndarray) -> str:
    return f', the smallest {values.min()}' if values.size else ''
