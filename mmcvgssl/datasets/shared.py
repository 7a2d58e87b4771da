"""Tensors that a data set shares with its copies in workers."""

from __future__ import annotations

from torch import Tensor


class Shared:
    """A tensor in memory that the workers of a loader share.

    Workers are copies of a data set, forked or spawned, and share it with
    the original. A copy made in the same process has one of its own, which
    it shares with workers of its own.

    Args:
        values: Its values at first.
    """

    def __init__(self, values: Tensor) -> None:
        self.values = values.share_memory_()

    def __deepcopy__(self, memo: dict) -> Shared:
        return Shared(self.values.clone())
