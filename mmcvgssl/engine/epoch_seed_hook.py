"""Randomness that depends on the epoch alone."""

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
    """Seed every epoch afresh, so that a resumed run repeats it exactly.

    Generators are seeded from the run's seed, the epoch and the rank; a data
    set with ``set_epoch`` is told the epoch.
    """

    priority = 'VERY_HIGH'

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed this process and tell the data set."""
        data_set = runner.train_dataloader.dataset
        if hasattr(data_set, 'set_epoch'):
            data_set.set_epoch(runner.epoch)
        words = np.random.SeedSequence(
            [runner.seed or 0, runner.epoch, get_rank()]
        )
        value = int(words.generate_state(1)[0])
        random.seed(value)
        np.random.seed(value)
        torch.manual_seed(value)
