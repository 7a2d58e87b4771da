"""Numbers of iterations that stay on the device until they are wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from mmengine.hooks import LoggerHook
from mmengine.runner import Runner
from torch import Tensor


class DeviceNumbers:
    """Single numbers by iteration and name, fetched by one transfer.

    To fetch a number is to wait until the device has worked it out, and the
    host then prepares no further work meanwhile.

    Example:
        >>> numbers = DeviceNumbers()
        >>> numbers.add(1, dict(loss=torch.tensor(0.5), lr=0.25))
        >>> numbers.take()
        [(1, {'loss': 0.5, 'lr': 0.25})]
        >>> numbers.take()
        []
    """

    def __init__(self) -> None:
        self._wait = False  # whether numbers are kept that are on a device
        self._rows: list[tuple[int, dict[str, Any]]] = []

    def add(self, iteration: int, outputs: Mapping[str, Any]) -> None:
        """Keep the outputs of an iteration."""
        row = {
            name: value.detach() if isinstance(value, Tensor) else value
            for name, value in outputs.items()
        }
        self._wait = self._wait or any(map(_on_device, row.values()))
        self._rows.append((iteration, row))

    def due(
        self, runner: Runner, batch_idx: int, outputs: Mapping[str, Any]
    ) -> list[tuple[int, dict[str, Any]]]:
        """Keep the outputs of an iteration; return what is looked at now.

        That is what was kept, where none of it is on a device, the log is
        written, or an epoch or the training ends; else nothing.

        Args:
            runner: It trains.
            batch_idx: Index of the batch in the epoch.
            outputs: Those of the iteration.
        """
        self.add(runner.iter + 1, outputs)
        if self._wait and not _is_looked_at(runner, batch_idx):
            return []
        return self.take()

    def take(self) -> list[tuple[int, dict[str, Any]]]:
        """Return what was kept, numbers on the host, and forget it."""
        rows, self._rows, self._wait = self._rows, [], False
        there = [v for _, row in rows for v in row.values() if _on_device(v)]
        if there:
            flat = torch.stack([v.reshape(()).double() for v in there])
            there = flat.cpu().tolist()
        found = iter(there)
        return [
            (
                iteration,
                {
                    name: next(found) if _on_device(value) else _plain(value)
                    for name, value in row.items()
                },
            )
            for iteration, row in rows
        ]


def _is_looked_at(runner: Runner, batch_idx: int) -> bool:
    intervals = [h.interval for h in runner.hooks if isinstance(h, LoggerHook)]
    done = runner.iter + 1
    return (
        any(done % each == 0 for each in intervals)
        or any((batch_idx + 1) % each == 0 for each in intervals)
        or batch_idx + 1 == len(runner.train_dataloader)
        or done == runner.max_iters
    )


def _on_device(value: Any) -> bool:
    return (
        isinstance(value, Tensor)
        and value.numel() == 1
        and value.device.type != 'cpu'
    )


def _plain(value: Any) -> Any:
    single = isinstance(value, Tensor) and value.numel() == 1
    return value.item() if single else value
