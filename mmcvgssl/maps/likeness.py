"""A test whether the maps of several images differ."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np


class Likeness:
    """Largest difference of maps from the first one, in bounded memory.

    Example:
        >>> likeness = Likeness()
        >>> for value in (0.5, 0.5):
        ...     likeness.add(np.full((2, 2), value))
        >>> likeness.alike()
        True
    """

    def __init__(self) -> None:
        self.count = 0
        self._first: np.ndarray | None = None
        self._apart, self._size = 0.0, 0.0

    def add(self, anomaly_map: np.ndarray) -> None:
        """Add a map [h, w]."""
        self.count += 1
        if self._first is None:
            self._first = anomaly_map.copy()
        if anomaly_map.shape != self._first.shape:
            self._apart = math.inf
        else:
            apart = float(np.abs(anomaly_map - self._first).max())
            self._apart = max(self._apart, apart)
        self._size = max(self._size, float(np.abs(anomaly_map).max()))

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return the state."""
        known = [self.count, self._apart, self._size]
        state = {'known': np.array(known, np.float64)}
        return (
            state if self._first is None else {**state, 'first': self._first}
        )

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Take what :meth:`state_dict` gave."""
        count, self._apart, self._size = state['known'].tolist()
        self.count, self._first = round(count), state.get('first')

    def alike(self, rounding: float = 0.0, step: float = 1e-5) -> bool:
        """Whether all maps are equal up to rounding.

        Args:
            rounding: Difference that rounding alone can make.
            step: Difference by rounding, as a share of the largest value.
        """
        return self.count > 1 and self._apart <= max(
            rounding, step * self._size
        )
