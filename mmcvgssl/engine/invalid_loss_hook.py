"""Stop before a broken loss spoils the weights on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from mmcvgssl.engine.device_numbers import DeviceNumbers
from mmcvgssl.registry import HOOKS
from mmcvgssl.weights import check_values
from mmcvgssl.weights.checkpoints import newest_whole
from mmcvgssl.weights.values import first, not_finite


class InvalidLossError(RuntimeError):
    """The loss is no number any more."""


@HOOKS.register_module()
class InvalidLossHook(Hook):
    """Stop the run when the loss or a weight is NaN or infinite.

    It looks at weights before checkpoints are written, so the last one on
    disk is good. Losses on a CPU are looked at in each iteration, those on a
    GPU when the log is written or an epoch ends, so that nothing waits for
    the device meanwhile.

    Raises:
        InvalidLossError: Names the iteration, the terms and that checkpoint.
    """

    # before the log has them
    priority = 'HIGHEST'

    def __init__(self) -> None:
        self._numbers = DeviceNumbers()

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Look at every loss term since the last look, or wait."""
        terms = {k: v for k, v in (outputs or {}).items() if 'loss' in k}
        self._look(runner, self._numbers.due(runner, batch_idx, terms))

    def after_train(self, runner: Runner) -> None:
        """Look at the terms since the last look."""
        self._look(runner, self._numbers.take())

    def before_train(self, runner: Runner) -> None:
        """Look at the weights that training starts with."""
        check_values(runner.model.state_dict(), 'the model at the start')

    def after_train_epoch(self, runner: Runner) -> None:
        """Look at the weights: the last step has no loss of its own."""
        _check_weights(runner, runner.model.state_dict())

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Look at what is to be written, whenever that is."""
        _check_weights(runner, checkpoint['state_dict'])

    def _look(
        self, runner: Runner, rows: Sequence[tuple[int, dict[str, Any]]]
    ) -> None:
        for iteration, values in rows:
            bad = {
                key: value
                for key, value in values.items()
                if not -float('inf') < float(value) < float('inf')
            }
            if bad:
                _stop(runner, bad, iteration)


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
