"""mmengine's record of a training, without waiting for the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.hooks import RuntimeInfoHook
from mmengine.runner import Runner

from mmcvgssl.engine.device_numbers import DeviceNumbers
from mmcvgssl.registry import HOOKS


@HOOKS.register_module()
class DeferredInfoHook(RuntimeInfoHook):
    """mmengine's ``RuntimeInfoHook``, numbers of a GPU fetched for the log.

    The host's hook waits for the device at each term of each iteration. This
    one records the same values in the same order, when the log is written,
    an epoch ends or a checkpoint is saved; numbers of a CPU at once.
    """

    def __init__(self) -> None:
        self._numbers = DeviceNumbers()

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Record the outputs of the iteration, or keep them."""
        self._record(
            runner, self._numbers.due(runner, batch_idx, outputs or {})
        )

    def before_val(self, runner: Runner) -> None:
        """Record what was kept, as metrics may be joined with it."""
        self._record(runner, self._numbers.take())
        super().before_val(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Have the checkpoint hold all values."""
        self._record(runner, self._numbers.take())
        if 'message_hub' in checkpoint:
            checkpoint['message_hub'] = runner.message_hub.state_dict()

    def after_train(self, runner: Runner) -> None:
        """Record what was kept."""
        self._record(runner, self._numbers.take())
        super().after_train(runner)

    def _record(
        self, runner: Runner, rows: Sequence[tuple[int, dict[str, Any]]]
    ) -> None:
        for _, row in rows:
            for name, value in row.items():
                runner.message_hub.update_scalar(f'train/{name}', value)
