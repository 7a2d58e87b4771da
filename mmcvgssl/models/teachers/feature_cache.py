"""Teacher features of a fixed set of views, computed once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.logging import print_log
from torch import Tensor


class FeatureCache:
    """Caches half-precision teacher features in host memory.

    One entry holds all views and levels of a sample; its key is the sample
    and the number of its views. Samples are looked up one by one, so batches
    may be shuffled and shared among processes. Once it is full, it has
    what it has, and says so.

    Args:
        megabytes: Upper limit of the cache, in each process.

    Raises:
        ValueError: If ``megabytes`` is negative.
    """

    def __init__(self, megabytes: float = 2048) -> None:
        if not megabytes >= 0:
            raise ValueError(f'cache_megabytes is 0 or more, got {megabytes}')
        self.megabytes = megabytes
        self._free = megabytes * 2**20
        self._full = False
        self._store: dict[tuple[int, int], Tensor] = {}

    def __len__(self) -> int:
        return len(self._store)

    def missing(self, keys: Sequence[tuple[int, int]]) -> list[int]:
        """Return the indices of images that are not in the cache."""
        return [i for i, key in enumerate(keys) if key not in self._store]

    def get(self, keys: Sequence[tuple[int, int]]) -> Tensor:
        """Return the features [N, V, W] of cached samples."""
        # autocast on CPUs stacks no float16
        return torch.stack([self._store[key].float() for key in keys])

    def put(self, keys: Sequence[tuple[int, int]], features: Tensor) -> Tensor:
        """Store features [N, V, W], as far as there is room.

        Returns:
            The features as :meth:`get` gives them, of those without room,
            too, so that they are the same in each epoch and after a restart.
        """
        stored = features.half()
        for key, row in zip(keys, stored.cpu(), strict=True):
            size = row.numel() * row.element_size()
            if size <= self._free and key not in self._store:
                self._free -= size
                self._store[key] = row.clone()
            elif key not in self._store and not self._full:
                self._full = True
                print_log(
                    f'the cache of teacher features is full: {len(self)} '
                    f'samples in {self.megabytes:g} MB; those of others are '
                    'computed each time (model.cache_megabytes)',
                    logger='current',
                )
        return stored.float()
