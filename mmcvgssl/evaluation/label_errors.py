"""Labels that contradict those of the neighbours in feature space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NEIGHBOURS = 5
_BLOCK = 1 << 24  # similarities in memory at once


@dataclass(frozen=True)
class LabelError:
    """A label that the neighbours of its image contradict.

    Args:
        index: Index of the image.
        suggested: Class index that its neighbours have.
        share: Share of the neighbours that have it.
    """

    index: int
    suggested: int
    share: float


def find_label_errors(
    features: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray | None = None,
    neighbours: int = NEIGHBOURS,
) -> list[LabelError]:
    """Find labels that are likely wrong, by confident learning.

    The classes of an image's nearest neighbours by cosine, each with the same
    vote, are its probabilities. An image is surely of a class if its
    probability is at least the mean one of the images with that label. A
    label is in doubt if no neighbour has it, and the image is surely of
    another class. Source: https://arxiv.org/abs/1911.00068, with the votes of
    neighbours for a classifier's probabilities.

    Args:
        features: [n, D], L2-normalised here.
        labels: Class indices, [n]; those of one image are not in doubt.
        groups: Of images of a group, [n], such as copies of each other, the
            first one votes, and on no other of them.
        neighbours: Neighbours that vote, or as many as there are.

    Returns:
        The doubtful ones, those with the most votes for another class first.

    Example:
        >>> rows = np.array([[1, 0.1], [1, 0.2], [1, 0], [0, 1], [0.1, 1]])
        >>> found = find_label_errors(rows, np.array([0, 0, 1, 1, 1]), None, 2)
        >>> [(error.index, error.suggested) for error in found]
        [(2, 0)]
    """
    shares = neighbour_shares(features, labels, groups, neighbours)
    own = shares[np.arange(len(labels)), labels]
    sizes = np.bincount(labels, minlength=shares.shape[1])
    sure = np.array(
        [
            own[labels == c].mean() if size else np.inf
            for c, size in enumerate(sizes)
        ]
    )
    passing = np.where((shares >= sure) & (shares > 0), shares, 0.0)
    best = passing.argmax(1)
    votes = passing.max(1, initial=0)
    found = np.flatnonzero((votes > 0) & (own == 0) & (sizes[labels] > 1))
    order = found[np.argsort(-votes[found], kind='stable')]
    return [LabelError(int(i), int(best[i]), float(votes[i])) for i in order]


def neighbour_shares(
    features: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray | None = None,
    neighbours: int = NEIGHBOURS,
) -> np.ndarray:
    """Return the shares of classes among the nearest neighbours, [n, C].

    Args:
        features: See :func:`find_label_errors`, as the others.
        labels: Class indices, [n].
        groups: [n].
        neighbours: Neighbours that vote.
    """
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    rows = features / np.maximum(lengths, 1e-12)
    rows = rows.astype(np.float32, copy=False)
    n = len(rows)
    own = np.arange(n) if groups is None else np.asarray(groups)
    voters = np.sort(np.unique(own, return_index=True)[1])
    shares = np.zeros((n, int(labels.max(initial=0)) + 1))
    count = min(neighbours, len(voters) - 1)
    if count < 1:
        return shares
    # once, as a copy for each block would be as many bytes as all pairs
    voting = rows if len(voters) == n else rows[voters]
    step = max(_BLOCK // n, 1)
    for start in range(0, n, step):
        part = slice(start, start + step)
        near = rows[part] @ voting.T
        near[own[part, None] == own[voters]] = -np.inf
        chosen = np.argpartition(-near, count - 1, axis=1)[:, :count]
        numbers = np.arange(start, start + len(near))[:, None]
        np.add.at(shares, (numbers, labels[voters[chosen]]), 1 / count)
    return shares
