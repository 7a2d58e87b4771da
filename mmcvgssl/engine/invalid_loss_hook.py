"""Stop before a broken loss spoils the weights on disk."""

from __future__ import annotations

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner, find_latest_checkpoint

from mmcvgssl.registry import HOOKS


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

    def after_train_epoch(self, runner: Runner) -> None:
        """Look at the weights: the last step has no loss of its own."""
        bad = [
            name
            for name, value in runner.model.named_parameters()
            if not torch.isfinite(value).all()
        ]
        if bad:
            text = f'weights without finite values ({", ".join(bad[:3])})'
            _stop(runner, text, runner.iter)


def _stop(runner: Runner, what: object, iteration: int) -> None:
    last = find_latest_checkpoint(runner.work_dir)
    raise InvalidLossError(
        f'{what} at iteration {iteration} of epoch {runner.epoch + 1}. Last '
        f'good checkpoint: {last or "none yet"}. Lower the learning rate, '
        'lengthen the warm-up or train in float32, then continue with --resume'
    )
