"""Pictures that show nearly the same, mirrored and turned ones, too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from mmcvgssl.datasets.checks.image_facts import SIDE, TURNS, ImageFacts
from mmcvgssl.datasets.checks.near_hashes import near_hashes
from mmcvgssl.datasets.reading.orientation import turn

SIMILARITY = 0.95
LEAST_SPREAD = 2.0  # grey levels; with less, noise is all that is compared
_COARSE = 16  # pixels a side, of a first comparison
_COARSER = 0.1  # by which its similarity may be less
_BLUR = 2.0  # pixels, sigma; what is coarser tells pictures apart poorly
_MANY = 10  # pictures from which their mean says what they have in common
_BLOCK, _FEW = 4096, 256  # pairs in memory at once, coarse and in full
# what is done to the first picture to get the other, by orientation tag
RELATIONS = {
    1: 'upright',
    2: 'mirrored left to right',
    3: 'turned by 180°',
    4: 'mirrored top to bottom',
    5: 'mirrored and turned by 90°',
    6: 'turned by 90°',
    7: 'mirrored and turned by 270°',
    8: 'turned by 270°',
}


class NearCopy(NamedTuple):
    """Two pictures that show nearly the same.

    Args:
        first: Index of one.
        other: Index of the other.
        orientation: Number of the orientation tag that turns the first one
            into the other, see ``RELATIONS``.
        similarity: Correlation, up to 1.
    """

    first: int
    other: int
    orientation: int
    similarity: float


def near_copies(
    facts: Sequence[ImageFacts],
    similarity: float = SIMILARITY,
    progress: Callable[[], object] = lambda: None,
) -> list[NearCopy]:
    """Find pictures that show nearly the same.

    Pairs whose perceptual hashes differ in 7 bits of 64 at most, in any
    orientation, are compared at 64 x 64 pixels: by the correlation of their
    details, a high-pass of 2 pixels, and by that of what distinguishes them
    from the mean of all others. The lower of both counts, so that pictures of
    the same kind of part are no copies, while other exposures and sizes of
    one picture are.

    Args:
        facts: Of pictures that could be read.
        similarity: Correlation from which on they count as near copies.
        progress: Called eight times, once for each orientation.

    Returns:
        Pairs that connect all near copies, not each pair of a group.
    """
    used = [
        i
        for i, fact in enumerate(facts)
        if fact.small is not None and fact.small.std() >= LEAST_SPREAD
    ]
    pictures = _Pictures([facts[i] for i in used])
    found: list[NearCopy] = []
    for column, orientation in enumerate(TURNS):
        if used:
            found += pictures.copies(column, orientation, similarity)
        progress()
    return [
        pair._replace(first=used[pair.first], other=used[pair.other])
        for pair in found
    ]


class _Pictures:
    """Small pictures, and groups of those that are near copies."""

    def __init__(self, facts: Sequence[ImageFacts]) -> None:
        self.hashes = np.array([f.hashes for f in facts], np.uint64)
        # one by one, as all of them in one array would be a second copy
        self.small = [f.small for f in facts if f.small is not None]
        self.sum = np.zeros((SIDE, SIDE))
        for start in range(0, len(self.small), _FEW):
            part = np.stack(self.small[start : start + _FEW])
            self.sum += _even(part).sum(0, dtype=np.float64)
        self.details, self.coarse = self._coarse()
        self.group = np.arange(len(facts))

    def copies(
        self, column: int, orientation: int, least: float
    ) -> list[NearCopy]:
        """Return pairs that join groups, of one orientation."""
        first = [
            (_turned(self.details, orientation), self.details),
        ]
        if self._count_of_others() >= _MANY:
            mean = self.coarse.mean(0)
            ones = _turned(self.coarse, orientation) - mean
            first.append((_unit(ones), _unit(self.coarse - mean)))
        found = []
        for rows, others in near_hashes(
            self.hashes[:, column], self.hashes[:, 0]
        ):
            for start in range(0, len(rows), _BLOCK):
                part = slice(start, start + _BLOCK)
                found += self._join(
                    rows[part], others[part], first, orientation, least
                )
        return found

    def _join(
        self,
        rows: np.ndarray,
        others: np.ndarray,
        first: Sequence[tuple[np.ndarray, np.ndarray]],
        orientation: int,
        least: float,
    ) -> list[NearCopy]:
        """Compare pairs of different groups, and join these."""
        apart = self.group[rows] != self.group[others]
        rows, others = rows[apart], others[apart]
        for ones, twos in first:
            found = np.einsum('nij,nij->n', ones[rows], twos[others])
            likely = found >= least - _COARSER
            rows, others = rows[likely], others[likely]
        if not len(rows):
            return []
        values = self._similarity(rows, others, orientation)
        joined: list[NearCopy] = []
        for k in np.flatnonzero(values >= least):
            one, other = int(rows[k]), int(others[k])
            if self.group[one] == self.group[other]:
                continue
            self.group[self.group == self.group[other]] = self.group[one]
            joined.append(NearCopy(one, other, orientation, float(values[k])))
        return joined

    def _similarity(
        self, rows: np.ndarray, others: np.ndarray, orientation: int
    ) -> np.ndarray:
        """Return the similarity of each pair, [k]."""
        values = np.empty(len(rows))
        for start in range(0, len(rows), _FEW):
            part = slice(start, start + _FEW)
            # alike in brightness and contrast, so that exposures are, too
            ones = _even(np.stack([self.small[i] for i in rows[part]]))
            twos = _even(np.stack([self.small[i] for i in others[part]]))
            mean = self._mean_of_others(ones, twos)
            ones = np.stack([turn(one, orientation) for one in ones])
            own = _correlation(_details(ones), _details(twos))
            if mean is not None:
                rest = _correlation(ones - mean, twos - mean)
                own = np.minimum(own, rest)
            values[part] = own
        return values

    def _count_of_others(self) -> int:
        return len(self.small) - 2

    def _mean_of_others(
        self, ones: np.ndarray, twos: np.ndarray
    ) -> np.ndarray | None:
        count = self._count_of_others()
        if count < _MANY:
            return None
        return (self.sum - ones - twos) / count

    def _coarse(self) -> tuple[np.ndarray, np.ndarray]:
        """Return details, of length 1, and pictures, at [n, 16, 16] each."""
        step = SIDE // _COARSE
        shape = (len(self.small), _COARSE, _COARSE)
        found = np.empty(shape, np.float32), np.empty(shape, np.float32)
        for i, small in enumerate(self.small):
            even = _even(small[None])
            for own, picture in zip(
                found, (_details(even), even), strict=True
            ):
                blocks = picture.reshape(_COARSE, step, _COARSE, step)
                own[i] = blocks.mean((1, 3))
        return _unit(found[0]), found[1]


def groups_of(count: int, pairs: Sequence[NearCopy]) -> list[list[int]]:
    """Return groups of two or more that pairs connect, in order."""
    ones = [pair.first for pair in pairs]
    twos = [pair.other for pair in pairs]
    graph = coo_matrix((np.ones(len(pairs)), (ones, twos)), (count, count))
    labels = connected_components(graph, directed=False)[1]
    found: dict[int, list[int]] = {}
    for i in sorted({*ones, *twos}):
        found.setdefault(int(labels[i]), []).append(i)
    return [*found.values()]


def _even(pictures: np.ndarray) -> np.ndarray:
    """Bring each picture to a mean of 0 and a deviation of 1."""
    wide = pictures.astype(np.float32)
    wide -= wide.mean((1, 2), keepdims=True)
    return wide / np.maximum(wide.std((1, 2), keepdims=True), 1e-6)


def _unit(pictures: np.ndarray) -> np.ndarray:
    """Bring each picture to a mean of 0 and a length of 1."""
    found = pictures - pictures.mean((1, 2), keepdims=True)
    lengths = np.sqrt(np.einsum('nij,nij->n', found, found))
    return found / np.maximum(lengths, 1e-6)[:, None, None]


def _turned(pictures: np.ndarray, orientation: int) -> np.ndarray:
    """Turn all pictures [n, h, w]."""
    found = turn(np.moveaxis(pictures, 0, -1), orientation)
    return np.ascontiguousarray(np.moveaxis(found, -1, 0))


def _details(pictures: np.ndarray) -> np.ndarray:
    return np.stack([p - cv2.GaussianBlur(p, (0, 0), _BLUR) for p in pictures])


def _correlation(ones: np.ndarray, twos: np.ndarray) -> np.ndarray:
    a = ones.reshape(len(ones), -1)
    b = twos.reshape(len(twos), -1)
    a = a - a.mean(1, keepdims=True)
    b = b - b.mean(1, keepdims=True)
    lengths = np.sqrt((a * a).sum(1) * (b * b).sum(1))
    return (a * b).sum(1) / np.maximum(lengths, 1e-6)
