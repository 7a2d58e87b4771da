"""What passes over images gather, as tensors that a file can hold."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor


class Resumable(Protocol):
    """Something that is gathered, and can be put aside and taken up."""

    def state_dict(self) -> dict[str, Tensor]:
        """Return all of it."""

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take what :meth:`state_dict` gave."""


class Columns:
    """Rows of several kinds and texts, in the order they come."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._rows: dict[str, list[Tensor]] = {}

    def add(self, texts: Iterable[str] = (), **rows: Tensor) -> None:
        """Take rows [n, ...] by their kinds."""
        self.texts += texts
        for name, part in rows.items():
            self._rows.setdefault(name, []).append(part)

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
    """Return what JSON can hold as bytes, uint8 [n]."""
    return torch.tensor(list(json.dumps(value).encode()), dtype=torch.uint8)


def from_tensor(encoded: Tensor) -> Any:
    """Return what :func:`as_tensor` was given."""
    return json.loads(encoded.cpu().numpy().tobytes())
