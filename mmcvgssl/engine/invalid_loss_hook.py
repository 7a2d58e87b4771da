"""Stop before a broken loss spoils the weights on disk."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from mmcvgssl.registry import HOOKS
from mmcvgssl.weights import check_values
from mmcvgssl.weights.checkpoints import newest_whole
from mmcvgssl.weights.values import first, not_finite


class InvalidLossError(RuntimeError):
    """The loss is no number any more."""


@HOOKS.register_module()
class InvalidLossHook(Hook):
    """Stop the run when the loss or a weight is NaN or infinite.

    It runs before checkpoints are written, so the last one on disk is good.

    Raises:
        InvalidLossError: Names the iteration, the terms and that checkpoint.
    """

    priority = 'VERY_HIGH'

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Look at every loss term of the iteration."""
        bad = {
            key: float(torch.as_tensor(value).detach())
            for key, value in (outputs or {}).items()
            if 'loss' in key and not torch.isfinite(torch.as_tensor(value))
        }
        if bad:
            _stop(runner, bad, runner.iter + 1)

    def before_train(self, runner: Runner) -> None:
        """Look at the weights that training starts with."""
        check_values(runner.model.state_dict(), 'the model at the start')

    def after_train_epoch(self, runner: Runner) -> None:
        """Look at the weights: the last step has no loss of its own."""
        _check_weights(runner, runner.model.state_dict())

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Look at what is to be written, whenever that is."""
        _check_weights(runner, checkpoint['state_dict'])


def _check_weights(runner: Runner, state: Mapping[str, Tensor]) -> None:
    bad = not_finite(state)
    if bad:
        text = f'weights without finite values ({first(bad)})'
        _stop(runner, text, runner.iter)


def _stop(runner: Runner, what: object, iteration: int) -> None:
    last, _ = newest_whole(runner.work_dir)
    raise InvalidLossError(
        f'{what} at iteration {iteration} of epoch {runner.epoch + 1}. Last '
        f'good checkpoint: {last or "none yet"}. Lower the learning rate, '
        'lengthen the warm-up or train in float32, then continue with --resume'
    )
