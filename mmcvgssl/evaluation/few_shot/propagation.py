"""Labels of unlabelled images, spread from a few over a graph of features."""

from __future__ import annotations

import warnings

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import kneighbors_graph
from sklearn.semi_supervised import LabelSpreading

# chosen on halves of training images, by tools/benchmarks/propagation.py
NEIGHBOURS, DAMPING, POWER, BALANCE = 10, 0.9, 6, 0.5
_PASSES, _TOLERANCE = 2000, 1e-4
# what runs depend on
SETTINGS = dict(
    neighbours=NEIGHBOURS, damping=DAMPING, power=POWER, balance=BALANCE
)


def propagate_labels(
    features: np.ndarray,
    labelled: np.ndarray,
    labels: np.ndarray,
    neighbours: int = NEIGHBOURS,
    damping: float = DAMPING,
    power: float = POWER,
    balance: float = BALANCE,
) -> tuple[np.ndarray, np.ndarray]:
    """Spread the labels of a few images to all, and say how sure they are.

    Each image passes the shares of its classes on to its nearest neighbours
    by cosine. Classes are then scaled down by the root of their sum over all
    images, so that one in a dense part of the features does not take those of
    others, and an image is of the class with the largest share. Its weight is
    1 less the entropy of its shares, of the largest there can be; images with
    labels keep them, and have weight 1. Sources: label spreading,
    https://proceedings.neurips.cc/paper/2003/hash/87682805257e619d49b8e0dfdc14affa;
    weights, https://arxiv.org/abs/1904.04717.

    Args:
        features: [n, D], L2-normalised.
        labelled: Indices of the labelled images, [m].
        labels: Their class indices from 0 without gaps, [m].
        neighbours: Neighbours of an image in the graph.
        damping: Share of an image's classes that comes from its neighbours,
            from 0 to below 1.
        power: Of the cosine; the higher, the more the nearest of them count.
        balance: Power of the sums that classes are scaled down by: 1 makes
            all as frequent, 0 leaves them as they come.

    Returns:
        Class indices int64 [n] and weights [n] in [0, 1]; an image that no
        label reaches has weight 0.

    Example:
        >>> angles = np.linspace(0, 1, 20)[:, None]
        >>> angles[10:] += 1
        >>> rows = np.hstack([np.cos(angles), np.sin(angles)])
        >>> found, weights = propagate_labels(
        ...     rows, np.array([0, 19]), np.array([0, 1]), neighbours=3
        ... )
        >>> found.tolist() == [0] * 10 + [1] * 10
        True
    """
    count = min(neighbours, len(features) - 1)
    start = np.full(len(features), -1)
    start[labelled] = labels
    model = LabelSpreading(
        kernel=lambda rows, _: _graph(rows, count, power),
        alpha=damping,
        max_iter=_PASSES,
        tol=_TOLERANCE,
    )
    with warnings.catch_warnings():
        # an image that no label reaches has no shares, which is seen to below
        warnings.simplefilter('ignore', RuntimeWarning)
        warnings.simplefilter('ignore', ConvergenceWarning)
        shares = np.nan_to_num(model.fit(features, start).label_distributions_)
    shares = _shares(shares / np.maximum(shares.sum(0), 1e-12) ** balance)
    weights = _certainty(shares)
    found = shares.argmax(1)
    found[labelled], weights[labelled] = labels, 1
    return found, weights


def _graph(features: np.ndarray, neighbours: int, power: float) -> csr_matrix:
    """Return who is whose neighbour, by powers of the cosine [n, n]."""
    graph = kneighbors_graph(
        features, neighbours, mode='distance', metric='cosine'
    )
    graph.data = np.maximum(1 - graph.data, 1e-12) ** power
    return graph.maximum(graph.T)


def _shares(masses: np.ndarray) -> np.ndarray:
    sums = masses.sum(1, keepdims=True)
    even = np.full_like(masses, 1 / masses.shape[1])
    return np.where(sums > 0, masses / np.maximum(sums, 1e-300), even)


def _certainty(shares: np.ndarray) -> np.ndarray:
    """Return 1 less the entropy of shares [n, C], of the largest possible."""
    logs = np.log(np.maximum(shares, 1e-300))
    entropy = -(shares * logs).sum(1) / np.log(max(shares.shape[1], 2))
    return np.clip(1 - entropy, 0, 1)
