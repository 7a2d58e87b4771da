"""Results of passes over images, as tensors that a file can hold."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor


class Resumable(Protocol):
    """A result with a state that can be saved and loaded."""

    def state_dict(self) -> dict[str, Tensor]:
        """Return the state."""

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take what :meth:`state_dict` gave."""


class Columns:
    """Rows of several kinds and texts, in the order they come."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._rows: dict[str, list[Tensor]] = {}

    def add(self, texts: Iterable[str] = (), **rows: Tensor) -> None:
        """Add rows [n, ...] by their kinds."""
        self.texts += texts
        for name, part in rows.items():
            self._rows.setdefault(name, []).append(part)

    def __contains__(self, name: str) -> bool:
        """Whether there are rows of a kind."""
        return name in self._rows

    def __getitem__(self, name: str) -> Tensor:
        """Return all rows of a kind."""
        return torch.cat(self._rows[name])

    def state_dict(self) -> dict[str, Tensor]:
        """Return rows and texts."""
        rows = {f'rows.{name}': self[name] for name in self._rows}
        return {**rows, 'texts': as_tensor(self.texts)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take what :meth:`state_dict` gave."""
        self.texts = from_tensor(state['texts'])
        self._rows = {
            name.removeprefix('rows.'): [rows]
            for name, rows in state.items()
            if name != 'texts'
        }


def as_tensor(value: Any) -> Tensor:
    """Encode a value as JSON in bytes, uint8 [n]."""
    return torch.tensor(list(json.dumps(value).encode()), dtype=torch.uint8)


def from_tensor(encoded: Tensor) -> Any:
    """Decode a value of :func:`as_tensor`."""
    return json.loads(encoded.cpu().numpy().tobytes())
