"""The provenance of a result: all values and files it depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mmcvgssl.provenance.files import FileState, FileTable
from mmcvgssl.utils import atomic_write, parse_json

RECORD = 'provenance.json'
_NAMED = 8  # differences that a message names


class ProvenanceError(ValueError):
    """A result that depends on something else, or does not say on what."""


class Provenance:
    """Values by name, and tables of files.

    Args:
        values: Nested; stored flat, by names with dots.
        files: Tables by name.
    """

    def __init__(
        self,
        values: Mapping[str, Any] | None = None,
        files: Mapping[str, FileTable] | None = None,
    ) -> None:
        self.values = dict(leaves(values or {}))
        self.files = dict(files or {})

    def __or__(self, other: Provenance) -> Provenance:
        made = Provenance(None, self.files | other.files)
        made.values = self.values | other.values
        return made

    def under(self, name: str) -> Provenance:
        """Return it with a name before all names."""
        made = Provenance()
        made.values = {f'{name}.{k}': v for k, v in self.values.items()}
        made.files = {f'{name}.{k}': v for k, v in self.files.items()}
        return made

    def without(self, *starts: str) -> Provenance:
        """Return it without what starts with these names."""
        made = Provenance()
        made.values = {
            k: v for k, v in self.values.items() if not k.startswith(starts)
        }
        made.files = {
            k: v for k, v in self.files.items() if not k.startswith(starts)
        }
        return made

    @property
    def digest(self) -> str:
        """Digest of all values and files, 16 characters."""
        rows = {
            name: [[path, state.digest] for path, state in table.items()]
            for name, table in self.files.items()
        }
        text = json.dumps([self.values, rows], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def differences(self, theirs: Provenance) -> list[str]:
        """Say what differs from what something was made with."""
        found = []
        for name in sorted({*self.files, *theirs.files}):
            here = self.files.get(name, FileTable({}))
            there = theirs.files.get(name, FileTable({}))
            found += [f'{name}: {text}' for text in here.differences(there)]
        for name in sorted({*self.values, *theirs.values}):
            old, new = (part.values.get(name) for part in (theirs, self))
            if old != new:
                found.append(
                    f'{name}: {_short(old)} there, {_short(new)} here'
                )
        return found

    def to_json(self) -> str:
        """Return it as JSON text, a file a line."""
        tables = ',\n'.join(
            f'{json.dumps(name)}: {{\n'
            + ',\n'.join(
                f'{json.dumps(path)}: {json.dumps(state.to_list())}'
                for path, state in table.items()
            )
            + '\n}'
            for name, table in self.files.items()
        )
        values = json.dumps(self.values, indent=1, sort_keys=True)
        return f'{{"values": {values},\n"files": {{{tables}}}}}\n'

    @classmethod
    def from_json(cls, text: str | bytes, where: str) -> Provenance:
        """Read what :meth:`to_json` gave.

        Args:
            text: The text.
            where: Name of the source, for messages.

        Raises:
            ProvenanceError: If it is something else.
        """
        try:
            content = parse_json(text)
        except ValueError as error:
            raise _unreadable(where, error) from error
        return cls.from_dict(content, where)

    @classmethod
    def from_dict(cls, content: Any, where: str) -> Provenance:
        """Read what stands in the JSON of :meth:`to_json`.

        Raises:
            ProvenanceError: If it is something else.
        """
        made = cls()
        try:
            made.values = dict(content['values'])
            for name, rows in content['files'].items():
                made.files[name] = FileTable(
                    {k: FileState.from_list(v) for k, v in rows.items()}
                )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise _unreadable(where, error) from error
        return made

    @classmethod
    def read(cls, file: str | Path) -> Provenance | None:
        """Read a record; None if there is none.

        Raises:
            ProvenanceError: If it is something else.
            OSError: If it cannot be read.
        """
        file = Path(file)
        if not file.is_file():
            return None
        return cls.from_json(file.read_bytes(), str(file))

    def write(self, file: str | Path) -> None:
        """Write a record."""
        atomic_write(file, self.to_json().encode())


def _unreadable(where: str, error: Exception) -> ProvenanceError:
    return ProvenanceError(
        f'{where} does not say what the result beside it depends on '
        f'({type(error).__name__}: {error}); remove both, or choose another '
        'folder'
    )


def require_same(
    ours: Provenance,
    theirs: Provenance,
    where: str,
    fix: str = 'Use those settings, or another folder or file',
    error: type[ProvenanceError] = ProvenanceError,
) -> None:
    """Refuse what depends on something else.

    Raises:
        ProvenanceError: Names what differs.
    """
    different = ours.differences(theirs)
    if different:
        raise error(
            f'{where} was made with something else: {named(different)}. {fix}'
        )


def named(different: list[str]) -> str:
    """Name the first differences, and count the others."""
    more = len(different) - _NAMED
    rest = f'; and {more} more' if more > 0 else ''
    return f'{"; ".join(different[:_NAMED])}{rest}'


def leaves(value: Any, name: str = '') -> Iterator[tuple[str, Any]]:
    """Name each value of nested settings by its path, with dots.

    Steps of a list that have a type are named by it, if only one has it.
    """
    inner: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, (list, tuple)):
        inner = zip(_step_names(value), value, strict=True)
    elif isinstance(value, Mapping):
        inner = value.items()
    if not (value and isinstance(value, (list, tuple, Mapping))):
        if not (isinstance(value, Mapping) and not name):
            yield name, _plain(value)
        return
    for key, item in inner:
        yield from leaves(item, f'{name}.{key}' if name else str(key))


def _step_names(steps: Iterable[Any]) -> list[str]:
    names = []
    for i, step in enumerate(steps):
        kind = step.get('type') if isinstance(step, Mapping) else None
        short = str(kind).rpartition('.')[2] if isinstance(kind, str) else ''
        names.append(f'{i} {short}'.strip())
    return names


def _plain(value: Any) -> Any:
    """Return what JSON gives back as it is."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if (
        isinstance(value, float)
        and value == value
        and abs(value) != float('inf')
    ):
        return value
    return repr(value)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 80 else f'{text[:76]}...'
