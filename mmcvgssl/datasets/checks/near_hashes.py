"""Perceptual hashes that differ in few bits, without comparing all pairs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

# hashes of 64 bits that differ in 7 have a part of 16 bits, of four, that
# differs in one at most: Norouzi et al., Fast Exact Search in Hamming Space,
# https://arxiv.org/abs/1307.2982
MOST = 7
_PARTS, _BITS = 4, 16
_BLOCK = 1 << 19  # pairs in memory at once
_COUNTS = np.array([i.bit_count() for i in range(1 << 16)], np.uint8)


def near_hashes(
    queries: np.ndarray, hashes: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Find hashes that differ from queries in 7 bits at most, exactly.

    Args:
        queries: uint64 [n].
        hashes: uint64 [m].

    Yields:
        Indices of queries and of hashes, [k] each; a pair comes once.
    """
    ours, theirs = _parts_of(queries), _parts_of(hashes)
    flips = [0, *(1 << bit for bit in range(_BITS))]
    for part in range(_PARTS):
        order = np.argsort(theirs[:, part], kind='stable')
        starts = np.searchsorted(
            theirs[order, part], np.arange((1 << _BITS) + 1)
        )
        for flip in flips:
            wanted = (ours[:, part] ^ flip).astype(np.int64)
            first, count = starts[wanted], np.diff(starts)[wanted]
            for rows, at in _expand(first, count):
                found = order[at]
                bits = _COUNTS[ours[rows] ^ theirs[found]]
                near = bits.sum(1, dtype=np.uint8) <= MOST
                # those that an earlier part has found
                near &= (bits[:, :part] > 1).all(1)
                if near.any():
                    yield rows[near], found[near]


def differing_bits(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Count the bits in which hashes uint64 [n] differ."""
    return _COUNTS[_parts_of(ours ^ theirs)].sum(1, dtype=np.uint8)


def _parts_of(hashes: np.ndarray) -> np.ndarray:
    whole = np.ascontiguousarray(hashes, np.uint64)
    return whole.view(np.uint16).reshape(len(whole), _PARTS)


def _expand(
    first: np.ndarray, count: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield each row, and the places that it has from ``first`` on."""
    ends = np.cumsum(count)
    total = int(ends[-1]) if len(ends) else 0
    for start in range(0, total, _BLOCK):
        numbers = np.arange(start, min(start + _BLOCK, total))
        rows = np.searchsorted(ends, numbers, side='right')
        yield rows, first[rows] + numbers - (ends[rows] - count[rows])
