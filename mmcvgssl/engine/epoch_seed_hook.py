"""Randomness that depends on epoch and iteration alone."""

from __future__ import annotations

from typing import Any

from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop, Runner

from mmcvgssl.datasets import SurfaceImages, attach_epochs, inner_sets
from mmcvgssl.randomness import derive_seed, seed_generators
from mmcvgssl.registry import HOOKS


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seed views, epochs and iterations, so that a resumed run repeats.

    The data sets of views take the run's seed, unless they have one, and the
    loader passes the epoch of each sample to them, in loops by epoch and by
    iteration, through any wrapper. Other data sets with ``set_epoch`` are
    given the epoch.

    The generators of this process are seeded from the run's seed, the epoch
    or the iteration, and the rank. Seeding each iteration makes the loader,
    which draws as many numbers as its workers and restarts ask for, out of
    what the model draws.

    Raises:
        RuntimeError: If a resumed run does not look for its position in the
            data.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner: Runner) -> None:
        """Make the loader pass seed and epoch to data sets of views."""
        loop = runner.train_loop
        loader = loop.dataloader
        views = [
            data_set
            for data_set in inner_sets(loader.dataset)
            if isinstance(data_set, SurfaceImages)
        ]
        if not views:
            return
        if getattr(loop, 'fast_forward_on_resume', False) and runner.iter:
            raise RuntimeError(
                'train_cfg.fast_forward_on_resume=True starts the data anew, '
                f'so the epoch of the views at iteration {runner.iter} is not '
                'known: set it to False'
            )
        for number, data_set in enumerate(views):
            data_set.views.run_seed = _run_seed(runner)
            data_set.views.member = number
        attach_epochs(loader, _by_epoch(runner), _run_seed(runner))
        iterator: Any = getattr(loop, 'dataloader_iterator', None)
        if iterator is not None:  # some start before there is a hook
            loop.dataloader_iterator = type(iterator)(loader)

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed this process, and set the epoch of sampler and data sets."""
        loader = runner.train_dataloader
        if _by_epoch(runner):
            receivers = [*inner_sets(loader.dataset)]
            receivers.append(getattr(loader, 'sampler', None))
            for each in receivers:
                if hasattr(each, 'set_epoch'):
                    each.set_epoch(runner.epoch)
        words = runner.seed or 0, runner.epoch, get_rank()
        seed_generators(derive_seed(*words), devices=True)

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Seed this process for the forward pass."""
        words = runner.seed or 0, runner.iter, get_rank(), 1
        seed_generators(derive_seed(*words), devices=True)


def _by_epoch(runner: Runner) -> bool:
    loop = getattr(runner, 'train_loop', None)
    return not isinstance(loop, IterBasedTrainLoop)


def _run_seed(runner: Runner) -> int:
    """Return the seed that all processes of the run share."""
    seed = runner.seed or 0
    apart = runner._randomness_cfg.get('diff_rank_seed', False)
    return seed - get_rank() if apart else seed
