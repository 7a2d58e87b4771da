"""Distributions of scores in bounded memory."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

# with fewer, metrics are no longer within 1e-3 of exact
BINS = 2**15
KEY_BITS = 32


class ScoreHistogram:
    """A histogram of scores by kind, exact for few distinct scores.

    Up to ``exact_limit`` distinct scores are stored one by one as float32.
    More scores share at most ``BINS`` bins. Scores may have any range: a bin
    is a dyadic interval of ordered float32 bit patterns (a q-digest,
    https://arxiv.org/abs/cs/0408039). Neighbours are joined only if the bin
    has, for each kind, a small share of the mass above it. So counts above
    any threshold have a small relative error, also far in the tail
    (https://arxiv.org/abs/2004.01668). AUROC, AP, F1 and AUPRO stay within
    1e-3, in whatever order scores are added.

    A bin of ``2**level`` patterns from ``first`` on has the number
    ``2 * first + 2**level - 1``, its index in order among the bins of all
    sizes; single patterns have even numbers.

    Args:
        exact_limit: Distinct scores that are stored one by one.

    Raises:
        ValueError: If ``exact_limit`` is less than ``BINS``.

    Example:
        >>> scores = ScoreHistogram()
        >>> scores.add(np.array([0.1, 0.2, 0.2]), 'good')
        >>> scores.add(np.array([0.9]), 'defect')
        >>> scores.masses('good'), scores.masses('defect')
        (array([1., 2., 0.]), array([0., 0., 1.]))
    """

    def __init__(self, exact_limit: int = 2**17) -> None:
        if exact_limit < BINS:
            raise ValueError(
                f'exact_limit is at least {BINS}, with fewer values metrics '
                f'would not be within 1e-3 of exact; got {exact_limit}'
            )
        self.exact_limit = exact_limit
        self._share = 1 / BINS
        self._kinds: list[Hashable] = []
        self._ids = np.zeros(0, np.int64)
        self._masses = np.zeros((0, 0))
        self._pending: list[tuple[Hashable, np.ndarray, np.ndarray]] = []
        self._n_pending = 0

    def add(
        self,
        scores: np.ndarray,
        kind: Hashable,
        weights: np.ndarray | None = None,
    ) -> None:
        """Add scores of a kind, each with its mass (default 1).

        Raises:
            ValueError: If a score is not a finite number.
        """
        keys = _to_keys(np.asarray(scores))
        if weights is None:
            keys, mass = np.unique(keys, return_counts=True)
        else:
            keys, part = np.unique(keys, return_inverse=True)
            mass = np.bincount(part, weights=np.ravel(weights))
        self._push(kind, keys.astype(np.int64) * 2, mass)

    def merge(self, other: ScoreHistogram) -> None:
        """Add another histogram."""
        other._flush()
        self._share = max(self._share, other._share)
        for kind, masses in zip(other._kinds, other._masses, strict=True):
            filled = masses > 0
            self._push(kind, other._ids[filled], masses[filled])

    @property
    def kinds(self) -> list[Hashable]:
        """The kinds of scores, in the order in which they came."""
        self._flush()
        return list(self._kinds)

    @property
    def exact(self) -> bool:
        """Whether no two different scores share a bin."""
        self._flush()
        return not (self._ids & 1).any()

    def masses(self, *kinds: Hashable) -> np.ndarray:
        """Return the mass [n] of these kinds by ascending score."""
        self._flush()
        rows = [i for i, kind in enumerate(self._kinds) if kind in kinds]
        return self._masses[rows].sum(0)

    def __getstate__(self) -> dict[str, Any]:
        self._flush()
        return self.__dict__

    def _push(self, kind: Hashable, ids: np.ndarray, mass: np.ndarray) -> None:
        if len(ids):
            self._pending.append((kind, ids, mass))
            self._n_pending += len(ids)
        if self._n_pending > self.exact_limit:
            self._flush()

    def _flush(self) -> None:
        """Merge the scores that are pending."""
        if not self._pending:
            return
        pieces = [
            (kind, self._ids, masses)
            for kind, masses in zip(self._kinds, self._masses, strict=True)
        ]
        pieces += self._pending
        self._kinds = list(dict.fromkeys(kind for kind, _, _ in pieces))
        self._ids, inverse = np.unique(
            np.concatenate([ids for _, ids, _ in pieces]), return_inverse=True
        )
        self._masses = np.zeros((len(self._kinds), len(self._ids)))
        start = 0
        for kind, ids, mass in pieces:
            part = inverse[start : start + len(ids)]
            self._masses[self._kinds.index(kind), part] += mass
            start += len(ids)
        self._pending, self._n_pending = [], 0
        if len(self._ids) > self.exact_limit:
            self._compress()

    def _compress(self) -> None:
        """Join bins, small ones first, until there are few enough."""
        while len(self._ids) > BINS and self._share < 1:
            before = len(self._ids)
            for level in range(self._first_level(), KEY_BITS + 1, 2):
                self._join(level)
                if len(self._ids) <= BINS:
                    return
            if len(self._ids) > 0.9 * before:
                self._share *= 2

    def _first_level(self) -> int:
        """Find the level below which few bins have a neighbour to join."""
        joints = self._ids[1:] ^ self._ids[:-1]
        bits = np.frexp(joints.astype(np.float64))[1]
        joined = np.cumsum(np.bincount(bits, minlength=KEY_BITS + 2))
        return max(int(np.argmax(joined > 0.4 * len(self._ids))) - 1, 1)

    def _join(self, level: int) -> None:
        """Join light bins inside each interval of this level."""
        ids, masses = self._ids, self._masses
        intervals = ids >> (level + 1)
        # bins larger than the intervals stay separate
        larger = (ids + 1) & ((2 << level) - 1) == 0
        first = np.concatenate(
            [[True], (intervals[1:] != intervals[:-1]) | larger[1:]]
        )
        starts = np.flatnonzero(first)
        sizes = np.diff(starts, append=len(ids))
        sums = np.add.reduceat(masses, starts, axis=1)
        above = sums.sum(1, keepdims=True) - np.cumsum(sums, axis=1)
        light = (sums <= self._share * above).all(0) & (sizes > 1)
        if not light.any():
            return
        keep = np.repeat(~light, sizes)
        joined = (intervals[starts[light]] << (level + 1)) | ((1 << level) - 1)
        new_ids = np.concatenate([ids[keep], joined])
        new_masses = np.concatenate([masses[:, keep], sums[:, light]], axis=1)
        order = np.argsort(new_ids, kind='stable')
        self._ids, self._masses = new_ids[order], new_masses[:, order]


def _to_keys(scores: np.ndarray) -> np.ndarray:
    """Turn scores into unsigned integers of the same order."""
    with np.errstate(over='ignore'):
        values = np.ravel(scores).astype(np.float32)
    if not np.isfinite(values).all():
        raise ValueError(
            'scores must be finite numbers in the range of float32, got '
            f'{np.ravel(scores)[~np.isfinite(values)][0]}'
        )
    values += np.float32(0)  # -0.0 becomes 0.0
    bits = values.view(np.uint32)
    return np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
