"""Clusters of features, and one image of each."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans, kmeans_plusplus
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import NearestNeighbors

RESTARTS = 10  # of k-means, at most, of which the best counts
_PAIRS = 1_000_000  # of images and clusters, over all restarts
_WIDE = 1_500_000  # numbers that become float64: 12 MB
IN_STRATUM = 9  # images to choose of a cluster, about
_NEIGHBOURS = 20  # of a typical image, as in TypiClust

# indices of members [m] and the cluster's centre [D] to a value of each
# member [m], of which the largest is chosen
Worth = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Pool:
    """Images to choose from, and those that are labelled already.

    Args:
        features: Rows of length 1, [n, D], of both.
        known: Whether an image is labelled, [n].
        weights: Worth of each image by other means, above 0, [n].
    """

    features: np.ndarray
    known: np.ndarray
    weights: np.ndarray

    @property
    def free(self) -> np.ndarray:
        """Indices of the images to choose from."""
        return np.flatnonzero(~self.known)


def choose_in_clusters(
    pool: Pool, budget: int, seed: int, worth: Worth
) -> list[int]:
    """Choose an image of each cluster that holds no known one.

    There are as many clusters as images are known or wanted, so that enough
    of them are left; the heaviest of these count.

    Args:
        pool: The images.
        budget: Number of images to choose.
        seed: Seed of k-means.
        worth: Values members of a cluster.

    Returns:
        Indices, fewer than the budget if features repeat.
    """
    known = np.flatnonzero(pool.known)
    found = _cluster(pool, budget + len(known), seed)
    count = len(found.cluster_centers_)
    weights = np.bincount(found.labels_, pool.weights, count)
    covered = set(found.labels_[known].tolist())
    chosen: list[int] = []
    for cluster in np.argsort(-weights, kind='stable').tolist():
        members = np.flatnonzero(found.labels_ == cluster)
        if cluster in covered or not len(members):
            continue
        values = worth(members, found.cluster_centers_[cluster])
        chosen.append(int(members[values.argmax()]))
    return chosen[:budget]


def choose_in_strata(pool: Pool, budget: int, seed: int) -> list[int]:
    """Draw images of each cluster in proportion to its weight.

    Clusters are few, so that each gives several images: shares of kinds that
    features tell apart are kept more exactly than by a draw of all, and no
    kind gets more for varying more. Each next image is one of the cluster
    that is furthest behind its share; known images count.

    Args:
        pool: The images.
        budget: Number of images to choose.
        seed: Seed of k-means and of the draws.
    """
    known = np.flatnonzero(pool.known)
    count = -(-(budget + len(known)) // IN_STRATUM)
    labels = _cluster(pool, count, seed).labels_
    count = int(labels.max()) + 1
    weights = np.bincount(labels, pool.weights, count)
    shares = weights / weights.sum()
    taken = np.bincount(labels[known], minlength=count)
    # a draw without replacement, by weights
    random = np.random.RandomState(seed)
    turns = random.standard_exponential(len(labels)) / pool.weights
    order = pool.free[np.argsort(turns[pool.free], kind='stable')]
    waiting = [order[labels[order] == i].tolist() for i in range(count)]
    chosen: list[int] = []
    for _ in range(budget):
        due = shares * (taken.sum() + 1) - taken
        due[[not members for members in waiting]] = -np.inf
        stratum = int(due.argmax())
        chosen.append(waiting[stratum].pop(0))
        taken[stratum] += 1
    return chosen


def _cluster(pool: Pool, count: int, seed: int) -> KMeans:
    """Find clusters of all images, fewer if features repeat."""
    count = _distinct(pool.features, count)
    restarts = min(max(_PAIRS // (len(pool.features) * count), 1), RESTARTS)
    with warnings.catch_warnings():
        # of features that all but repeat, whose clusters are empty
        warnings.simplefilter('ignore', ConvergenceWarning)
        return KMeans(
            count,
            init=_first_centres(pool.weights),
            n_init=restarts,
            random_state=seed,
        ).fit(pool.features, sample_weight=pool.weights)


def _first_centres(weights: np.ndarray) -> Callable[..., np.ndarray]:
    """Return k-means++ that makes float64 of rows once.

    scikit-learn makes it anew for each centre, which takes most of the time of
    k-means with many clusters; what it computes is the same.

    Args:
        weights: Of the rows.
    """

    def choose(
        rows: np.ndarray, count: int, random_state: np.random.RandomState
    ) -> np.ndarray:
        if rows.size <= _WIDE:
            rows = rows.astype(np.float64)
        return kmeans_plusplus(
            rows, count, sample_weight=weights, random_state=random_state
        )[0]

    return choose


def _distinct(rows: np.ndarray, most: int) -> int:
    """Count different rows, as far as to ``most`` of them."""
    seen: set[bytes] = set()
    for row in rows:
        seen.add((row + 0.0).tobytes())  # no zero is negative
        if len(seen) == most:
            break
    return len(seen)


def central(pool: Pool) -> Worth:
    """Value members by their nearness to the centre."""

    def worth(members: np.ndarray, centre: np.ndarray) -> np.ndarray:
        return -((pool.features[members] - centre) ** 2).sum(1)

    return worth


def typical(pool: Pool) -> Worth:
    """Value members by their density: the inverse distance to neighbours."""

    def worth(members: np.ndarray, centre: np.ndarray) -> np.ndarray:
        rows = pool.features[members]
        count = min(_NEIGHBOURS, len(rows) - 1)
        if not count:
            return np.ones(1)
        found = NearestNeighbors(n_neighbors=count).fit(rows)
        distances, _ = found.kneighbors()  # of each to others
        mean = distances.mean(axis=1)
        return pool.weights[members] / np.maximum(mean, 1e-12)

    return worth
