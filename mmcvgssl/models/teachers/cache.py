"""Teacher features of a fixed set of views, computed once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class FeatureCache:
    """Keeps half-precision teacher features in host memory.

    One entry holds all views and levels of a sample; its key is the sample
    and the number of its set of views.
    """

    def __init__(self) -> None:
        self._store: dict[tuple[int, int], Tensor] = {}

    def __len__(self) -> int:
        return len(self._store)

    def get(self, keys: Sequence[tuple[int, int]]) -> Tensor | None:
        """Return [N, V, W] of these samples, None if any is not there."""
        if not all(key in self._store for key in keys):
            return None
        return torch.stack([self._store[key] for key in keys]).float()

    def put(self, keys: Sequence[tuple[int, int]], features: Tensor) -> None:
        """Keep [N, V, W]."""
        for key, row in zip(keys, features.half().cpu(), strict=True):
            self._store[key] = row.clone()
