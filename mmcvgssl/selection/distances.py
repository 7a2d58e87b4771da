"""Choices by distances between features."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np

from mmcvgssl.selection.clusters import Pool

_FARTHEST = 4.0  # squared distance of opposite rows of length 1


def squared_distances(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return squared distances [n, m] of rows of length 1, [n, D], [m, D]."""
    return np.maximum(2 - 2 * (rows @ others.T), 0)


def k_centre(pool: Pool, count: int, chosen: Sequence[int] = ()) -> list[int]:
    """Choose the image farthest from all chosen and known ones, repeatedly.

    Where there are none, the first is the one nearest to the mean of all.

    Args:
        pool: The images; weights multiply the distances.
        count: Number of images to choose.
        chosen: Indices of images that are chosen already.

    Returns:
        Indices in the order of the choice.
    """
    reached = _reached(pool, chosen)
    open_ = ~pool.known
    open_[list(chosen)] = False
    found: list[int] = []
    for _ in range(count):
        if not (found or len(chosen) or pool.known.any()):
            mean = pool.features.mean(axis=0)
            worth = (pool.features @ mean) * pool.weights
        else:
            worth = np.sqrt(reached) * pool.weights
        best = int(np.where(open_, worth, -np.inf).argmax())
        found.append(best)
        open_[best] = False
        reached = np.minimum(reached, _to(pool, best))
    return found


def by_coverage(pool: Pool, chosen: Sequence[int]) -> list[int]:
    """Order a choice so that each start of it covers all images well.

    The next image is the one that lessens the distances of all images to the
    nearest known or named one most.

    Args:
        pool: The images; weights multiply the squared distances.
        chosen: Indices.

    Returns:
        The indices in the order of worth.
    """
    reached = _reached(pool, ())

    def loss(index: int) -> float:
        gain = np.maximum(reached - _to(pool, index), 0)
        return -float(pool.weights @ gain)

    # what an image gains only lessens with each one named, so that a gain
    # that is still the largest when computed anew is the largest of all
    queue = [(loss(index), i, index) for i, index in enumerate(chosen)]
    heapq.heapify(queue)
    ordered: list[int] = []
    while queue:
        _, i, index = heapq.heappop(queue)
        now = (loss(index), i, index)
        if queue and now > queue[0]:
            heapq.heappush(queue, now)
            continue
        ordered.append(index)
        reached = np.minimum(reached, _to(pool, index))
    return ordered


def _to(pool: Pool, index: int) -> np.ndarray:
    row = pool.features[index : index + 1]
    return squared_distances(pool.features, row)[:, 0]


def _reached(pool: Pool, chosen: Sequence[int]) -> np.ndarray:
    """Return squared distances [n] to the nearest chosen or known image."""
    reached = np.full(len(pool.features), _FARTHEST)
    for index in [*np.flatnonzero(pool.known).tolist(), *chosen]:
        reached = np.minimum(reached, _to(pool, index))
    return reached
