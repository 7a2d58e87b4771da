"""Stop before a broken loss spoils the weights on disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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

    It looks before checkpoints are written, so the last one on disk is good.
    All terms of an iteration come from the device at once, for this hook and
    the log: it is the one time in an iteration that the device is waited
    for.

    Raises:
        InvalidLossError: Names the iteration, the terms and that checkpoint.
    """

    # before the log takes each term from the device by itself
    priority = 'HIGHEST'

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Look at every loss term of the iteration."""
        if not outputs:
            return
        _fetch(outputs)
        values = {
            k: float(v.detach() if torch.is_tensor(v) else v)
            for k, v in outputs.items()
            if 'loss' in k
        }
        bad = {
            key: value
            for key, value in values.items()
            if not -float('inf') < value < float('inf')
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


def _fetch(outputs: dict[str, Any]) -> None:
    """Replace numbers on a device by their values, with one transfer."""
    numbers = {
        name: value.detach().reshape(()).float()
        for name, value in outputs.items()
        if isinstance(value, Tensor)
        and value.numel() == 1
        and value.device.type != 'cpu'
    }
    if numbers:
        values = torch.stack(list(numbers.values())).cpu()
        outputs.update(zip(numbers, values.unbind(), strict=True))


def _stop(runner: Runner, what: object, iteration: int) -> None:
    last, _ = newest_whole(runner.work_dir)
    raise InvalidLossError(
        f'{what} at iteration {iteration} of epoch {runner.epoch + 1}. Last '
        f'good checkpoint: {last or "none yet"}. Lower the learning rate, '
        'lengthen the warm-up or train in float32, then continue with --resume'
    )
