"""What was fitted, or made, with which settings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import ConfigDict
from mmengine.dist import broadcast_object_list, is_main_process
from safetensors.torch import load as from_safetensors
from torch import Tensor, nn

from mmcvgssl.utils import atomic_write

_NAMED = 8  # differences that an error names


class FittedStateError(ValueError):
    """Fitted state that belongs to other settings, or is missing."""


def digest_tensors(tensors: Mapping[str, Tensor], start: str = '') -> str:
    """Tell tensors apart: same names, shapes and values, same text.

    Args:
        tensors: In any order.
        start: What else the text depends on.
    """
    digest = hashlib.sha256(start.encode())
    for key, value in sorted(tensors.items()):
        value = value.detach().cpu().contiguous()
        digest.update(f'{key}{tuple(value.shape)}{value.dtype}'.encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:32]


def as_settings(value: Any) -> Any:
    """Turn a config into what JSON can hold; a module into its name."""
    if isinstance(value, nn.Module):
        return type(value).__name__
    if isinstance(value, ConfigDict):
        value = value.to_dict()
    if isinstance(value, dict):
        return {k: as_settings(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_settings(v) for v in value]
    return value


def read_notes(data: bytes) -> dict[str, Any]:
    """Return the texts beside the tensors of a safetensors file, as JSON.

    Raises:
        ValueError: If it is something else.
        KeyError: If there are no texts.
    """
    end = 8 + int.from_bytes(data[:8], 'little')
    notes = _plain(data[8:end])['__metadata__']
    return {key: _plain(text) for key, text in notes.items()}


def _plain(text: str | bytes) -> Any:
    """Read JSON of finite numbers."""

    def refuse(name: str) -> Any:
        raise ValueError(f'{name} is no number')

    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError as error:
        raise ValueError('it is nested too deeply') from error


def read_tensors(data: bytes) -> dict[str, Tensor]:
    """Return tensors of a safetensors file by their names.

    Raises:
        safetensors.SafetensorError: If it is something else, or cut off.
    """
    return from_safetensors(data)


def part_of(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Return the tensors below a name, by what follows its dot."""
    start = f'{name}.'
    return {
        key.removeprefix(start): value
        for key, value in tensors.items()
        if key.startswith(start)
    }


def told(key: str, kind: type, notes: Mapping[str, Any], where: str) -> Any:
    """Return a text of :func:`read_notes`, empty if it is not there.

    Raises:
        FittedStateError: If it is of another kind.
    """
    held = notes.get(key, kind())
    if not isinstance(held, kind):
        raise FittedStateError(
            f'{where}: expected a {kind.__name__} as `{key}`, got '
            f'{held!r:.40}; fit anew'
        )
    return held


def check_settings(
    ours: Mapping[str, Any], theirs: Mapping[str, Any], where: str
) -> None:
    """Compare settings with those something was made with.

    Raises:
        FittedStateError: Names the settings that differ.
    """
    here, there = dict(_leaves(ours)), dict(_leaves(theirs))
    different = [
        f'{key}: {there.get(key)!r} there, {here.get(key)!r} here'
        for key in sorted({*here, *there})
        if here.get(key) != there.get(key)
    ]
    if different:
        more = len(different) - _NAMED
        rest = f'; and {more} more' if more > 0 else ''
        raise FittedStateError(
            f'{where} was made with other settings: '
            f'{"; ".join(different[:_NAMED])}{rest}. '
            'Use those settings, or another folder or file'
        )


def keep_settings(
    file: str | Path, settings: Mapping[str, Any], where: str
) -> None:
    """Write settings beside what they make, or compare, for all processes.

    Raises:
        FittedStateError: In each process; names the settings that differ.
        OSError: If the file can be neither read nor written.
    """
    error: list[Exception | None] = [None]
    if is_main_process():
        try:
            _keep(Path(file), settings, where)
        except (OSError, FittedStateError) as problem:
            error[0] = problem
    broadcast_object_list(error)
    if error[0] is not None:
        raise error[0]


def _keep(file: Path, settings: Mapping[str, Any], where: str) -> None:
    text = json.dumps(settings, indent=2, sort_keys=True, default=str)
    if not file.is_file():
        atomic_write(file, text.encode())
        return
    try:
        known = dict(json.loads(file.read_text('utf-8')))
    except (TypeError, ValueError) as error:
        raise FittedStateError(
            f'{file} holds no settings ({error}); choose another folder'
        ) from error
    check_settings(json.loads(text), known, where)


def _leaves(value: Any, name: str = '') -> Iterator[tuple[str, Any]]:
    """Name each value of nested settings by its path, with dots."""
    inner = dict(enumerate(value)) if isinstance(value, list) else value
    if not (inner and isinstance(inner, Mapping)):
        yield name, value
        return
    for key, item in inner.items():
        yield from _leaves(item, f'{name}.{key}' if name else str(key))
