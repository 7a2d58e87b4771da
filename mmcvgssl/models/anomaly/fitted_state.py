"""Files of fitted states: tensors with metadata."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from mmengine.config import ConfigDict
from safetensors import SafetensorError
from safetensors.torch import load as from_safetensors
from torch import Tensor, nn

from mmcvgssl.provenance import Provenance, ProvenanceError
from mmcvgssl.utils import parse_json

_T = TypeVar('_T')
_LARGEST = 100_000_000  # bytes of a header, as safetensors allows


class FittedStateError(ProvenanceError):
    """Fitted state that belongs to other settings, or is missing.

    Example:
        >>> from mmcvgssl.models import HostTeacher, PatchCore
        >>> teacher = HostTeacher(nn.Conv2d(3, 8, 4, 4), levels=[0])
        >>> model = PatchCore(teacher)
        >>> try:
        ...     model(None)  # before fit()
        ... except FittedStateError as error:
        ...     print(str(error).partition(':')[0])
        PatchCore has not been fitted
    """


def as_settings(value: Any) -> Any:
    """Convert a config to values of JSON; a module to its name."""
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
    """Return the metadata of a safetensors file, parsed as JSON.

    Raises:
        ValueError: If it is something else, or there are no texts.
    """
    end = 8 + int.from_bytes(data[:8], 'little')
    header = _plain(data[8:end])
    notes = header.get('__metadata__') if isinstance(header, dict) else None
    if not isinstance(notes, dict):
        raise ValueError('there are no texts beside the tensors')
    return {key: _plain(text) for key, text in notes.items()}


def _plain(text: Any) -> Any:
    """Read JSON of finite numbers."""

    def refuse(name: str) -> Any:
        raise ValueError(f'{name} is no number')

    if not isinstance(text, (str, bytes)):
        raise ValueError(f'{text!r:.40} is no text')
    return parse_json(text, parse_constant=refuse)


def read_tensors(data: bytes) -> dict[str, Tensor]:
    """Return tensors of a safetensors file by their names.

    Raises:
        ValueError: If it is something else, is cut off, or has numbers of a
            kind that torch does not know.
    """
    try:
        return from_safetensors(data)
    except (SafetensorError, KeyError) as error:
        raise ValueError(f'{error!r:.200}') from error


def read_state(
    data: bytes, key: str, kind: type, where: str, fix: str
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return metadata and tensors of a file that this package has written.

    Args:
        data: Its content.
        key: Key of a text that it has to hold.
        kind: Kind of that text, as JSON.
        where: The file, for messages.
        fix: Advice for the message.

    Raises:
        FittedStateError: If it is something else, or cut off.
    """
    try:
        notes, tensors = read_notes(data), read_tensors(data)
        if not isinstance(notes.get(key), kind):
            raise ValueError(f'{key} is {notes.get(key)!r:.40}')
    except ValueError as error:
        raise FittedStateError(
            f'{where}: expected a fitted state, or a part of one, with '
            f'`{key}`, got something else, or a file that is cut off '
            f'({error!s:.200}); {fix}'
        ) from error
    return notes, tensors


def part_of(tensors: Mapping[str, _T], name: str) -> dict[str, _T]:
    """Return the tensors whose names start with ``NAME.``, without it."""
    start = f'{name}.'
    return {
        key.removeprefix(start): value
        for key, value in tensors.items()
        if key.startswith(start)
    }


def read_note(
    key: str, kind: type, notes: Mapping[str, Any], where: str
) -> Any:
    """Return an entry of :func:`read_notes`, empty if it is missing.

    Raises:
        FittedStateError: If it is of another kind.
    """
    value = notes.get(key, kind())
    if not isinstance(value, kind):
        raise FittedStateError(
            f'{where}: expected a {kind.__name__} as `{key}`, got '
            f'{value!r:.40}; fit anew'
        )
    return value


def read_provenance(path: Path) -> Provenance | None:
    """Return the provenance of a fitted state; None if there is no file.

    Raises:
        FittedStateError: If the file does not say so.
        OSError: If it cannot be read.
    """
    if not path.is_file():
        return None
    with path.open('rb') as file:
        start = file.read(8)
        length = min(int.from_bytes(start, 'little'), _LARGEST)
        head = start + file.read(length)
    try:
        notes = read_notes(head)
    except ValueError as error:
        raise FittedStateError(
            f'{path} is not what save_fitted() writes ({error!s:.200}): '
            'remove it, or choose another file'
        ) from error
    return provenance_of(notes, str(path))


def provenance_of(notes: Mapping[str, Any], where: str) -> Provenance:
    """Return the provenance in the metadata of a fitted state.

    Raises:
        FittedStateError: If they do not.
    """
    if 'provenance' not in notes:
        raise FittedStateError(
            f'{where} does not say which images and transforms it was fitted '
            'with, as an earlier version of this package, or fit() without a '
            'Runner, wrote it: remove or move it and fit anew, or choose '
            'another file'
        )
    return Provenance.from_dict(notes['provenance'], where)
