"""What a command shows of a training or a test while it runs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, Runner
from tqdm import tqdm

from mmcvgssl.engine.map_loop import MapLoop
from mmcvgssl.progress import (
    SECONDS,
    Lines,
    on_terminal,
    progress_bar,
    write_line,
)
from mmcvgssl.registry import HOOKS

_LOSS = 'train/loss'
_LINES = 10  # of epochs and validations, on a terminal


@HOOKS.register_module()
class ProgressHook(Hook):
    """Show a bar with the last loss or metrics, and a line now and then.

    On a terminal ten lines of epochs and validations at most, elsewhere one
    a minute, and one at the end. The log has all values.
    """

    priority = 'LOWEST'

    def __init__(self) -> None:
        self._bar: tqdm | None = None
        self._last, self._last_update = 0.0, 0

    def before_train(self, runner: Runner) -> None:
        """Say what is being done, and begin the bar."""
        loader = runner.train_dataloader
        write_line(
            f'training: {_span(runner)}, {len(loader.dataset)} images; '
            f'{runner.log_dir}'
        )
        self._begin('train', runner.max_iters, runner.iter, 'update')

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Mapping[str, Any] | None = None,
    ) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update()

    def after_train_epoch(self, runner: Runner) -> None:
        """Show the mean loss of the epoch."""
        scalars = runner.message_hub.log_scalars
        if _LOSS in scalars:
            mean = scalars[_LOSS].mean(len(runner.train_dataloader))
            self._line(runner, f'loss {mean:.4g}', 1)

    def after_val_epoch(
        self, runner: Runner, metrics: Mapping[str, float] | None = None
    ) -> None:
        """Show the metrics."""
        named = ', '.join(
            f'{name} {value:.4g}' for name, value in (metrics or {}).items()
        )
        if named and self._bar is not None:
            self._line(runner, named, 0)

    def after_train(self, runner: Runner) -> None:
        """End the bar."""
        self._end()

    def before_test_epoch(self, runner: Runner) -> None:
        """Begin a bar, unless a loop has one of its own."""
        loop = runner._test_loop
        if isinstance(loop, BaseLoop) and not isinstance(loop, MapLoop):
            self._begin('test', len(loop.dataloader), 0, 'batch')

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update()

    def after_test_epoch(
        self, runner: Runner, metrics: Mapping[str, float] | None = None
    ) -> None:
        """End the bar."""
        self._end()

    def _begin(self, title: str, total: int, done: int, unit: str) -> None:
        self._end()
        self._last, self._last_update = time.monotonic(), done
        self._bar = progress_bar(
            desc=title, total=total, initial=done, unit=unit
        )

    def _line(self, runner: Runner, text: str, ahead: int) -> None:
        """Note it at the bar; print a line, if it is time, or at the end.

        Args:
            runner: Its epoch is counted up after the hooks of its end.
            text: What is said of the epoch.
            ahead: What the runner's count of epochs lacks.
        """
        epoch, last = runner.epoch + ahead, runner.max_epochs or 0
        by_epoch = last and epoch
        where = (
            f'epoch {epoch} of {last}' if by_epoch else f'update {runner.iter}'
        )
        if self._bar is not None:
            self._bar.set_postfix_str(f'{where}: {text}', refresh=False)
        now, at_end = time.monotonic(), runner.iter >= runner.max_iters
        due = now - self._last >= SECONDS
        if on_terminal():
            done = runner.iter - self._last_update
            due = done * _LINES >= runner.max_iters
        if not (at_end or due):
            return
        self._last, self._last_update = now, runner.iter
        shown = self._bar.format_dict if self._bar is not None else {}
        if shown.get('rate') and not (at_end or on_terminal()):
            seconds = (shown['total'] - shown['n']) / shown['rate']
            text += f', {tqdm.format_interval(seconds)} left'
        if isinstance(self._bar, Lines):
            self._bar.quiet_since = time.time()  # its line can wait
        write_line(f'{where}: {text}')

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _span(runner: Runner) -> str:
    left = f'{runner.max_iters} updates'
    if runner.max_epochs:
        left = f'{runner.max_epochs} epochs, {left}'
    if runner.iter:
        left += f', goes on after {runner.iter}'
    return left
