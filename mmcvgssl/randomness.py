"""Deriving seeds, and setting random generators."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


def derive_seed(*words: int) -> int:
    """Return a seed of 32 bits that depends on every word.

    Args:
        *words: Numbers of 0 or more, such as a run's seed and an epoch.
    """
    return int(np.random.SeedSequence(words).generate_state(1)[0])


def seed_generators(seed: int, devices: bool = False) -> None:
    """Seed the generators that transforms draw from.

    Args:
        seed: Seed in [0, 2**32).
        devices: Whether torch's generators of accelerators are seeded, too.
    """
    random.seed(seed)
    np.random.seed(seed)
    if devices:
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


class GeneratorStates(NamedTuple):
    """Where the generators of Python, NumPy and torch (CPU) stand."""

    python: tuple
    numpy: tuple
    torch: Tensor

    @classmethod
    def read(cls) -> GeneratorStates:
        """Read them."""
        numpy = np.random.get_state()
        return cls(random.getstate(), tuple(numpy), torch.get_rng_state())

    def restore(self) -> None:
        """Set them back."""
        random.setstate(self.python)
        np.random.set_state(self.numpy)
        torch.set_rng_state(self.torch)

    def unchanged(self) -> bool:
        """Whether nothing was drawn since."""
        now = GeneratorStates.read()
        return (
            self.python == now.python
            and self.numpy[2:] == now.numpy[2:]
            and np.array_equal(self.numpy[1], now.numpy[1])
            and torch.equal(self.torch, now.torch)
        )


@contextmanager
def isolated() -> Iterator[None]:
    """Leave the generators of this process as they were."""
    before = GeneratorStates.read()
    try:
        yield
    finally:
        before.restore()
