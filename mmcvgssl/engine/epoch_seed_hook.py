"""Randomness that depends on epoch and iteration alone."""

from __future__ import annotations

import random

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmcvgssl.registry import HOOKS


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seed epochs and iterations, so that a resumed run repeats exactly.

    Generators are seeded from the run's seed, the epoch or the iteration,
    and the rank; a data set with ``set_epoch`` is told the epoch. Seeding
    each iteration keeps the loader, which draws as many numbers as its
    workers and restarts ask for, out of what the model draws.
    """

    priority = 'VERY_HIGH'

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed this process and tell the data set."""
        data_set = runner.train_dataloader.dataset
        if hasattr(data_set, 'set_epoch'):
            data_set.set_epoch(runner.epoch)
        _seed(runner.seed or 0, runner.epoch, get_rank())

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Seed this process for the forward pass."""
        _seed(runner.seed or 0, runner.iter, get_rank(), 1)


def _seed(*words: int) -> None:
    value = int(np.random.SeedSequence(words).generate_state(1)[0])
    random.seed(value)
    np.random.seed(value)
    torch.manual_seed(value)
