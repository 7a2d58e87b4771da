"""Embeddings of a part of the fitting images."""

from __future__ import annotations

import torch
from torch import Tensor

from mmcvgssl.models.anomaly.coreset import PatchPool


class FoldRows:
    """Embeddings of one fold: all, or a sample of the patches.

    Args:
        pool: Size of the sample; None keeps all.
        seed: Of the sample.
    """

    def __init__(self, pool: int | None, seed: int = 0) -> None:
        self.count = 0
        self._all: list[Tensor] = []
        self._pool = None if pool is None else PatchPool(pool, seed)

    def add(self, rows: Tensor) -> None:
        """Take the embeddings [P, C] of an image."""
        self.count += 1
        if self._pool is None:
            self._all.append(rows)
        else:
            self._pool.add(rows)

    def rows(self) -> Tensor:
        """Return [n, P, C]; a sample of patches as [n, 1, C]."""
        if self._pool is None:
            return torch.stack(self._all)
        return self._pool.patches()[:, None]
