"""Files that a result depends on, compared by their content."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from mmcvgssl.processes import in_threads

_CHUNK = 2**20
_MANY = 8  # number of files from which threads pay
_FILES = 200_000  # digests that a process remembers


@dataclass(frozen=True, slots=True)
class FileState:
    """A file at one time.

    Two states are equal if their digests are. Size and times only say
    whether the content must be read to know the digest.

    Args:
        size: Bytes.
        modified: Time of the last change of the content, nanoseconds.
        changed: Time of the last change of content or attributes,
            nanoseconds.
        digest: Digest of the content.
    """

    size: int
    modified: int = field(compare=False)
    changed: int = field(compare=False)
    digest: str

    @classmethod
    def of(cls, path: str | Path, known: FileState | None = None) -> FileState:
        """Return the state of a file.

        Args:
            path: The file.
            known: An earlier state; with its size and times, the file is
                not read.

        Raises:
            OSError: If it cannot be read.
        """
        at = cls.look(path)
        if known is not None and at == known.stamp:
            return known
        return cls(*at, _digest(os.path.realpath(path), *at))

    @staticmethod
    def look(path: str | Path) -> tuple[int, int, int]:
        """Return size and times of a file, without reading it.

        Raises:
            OSError: If it is missing.
        """
        stat = os.stat(path)
        return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns

    @property
    def stamp(self) -> tuple[int, int, int]:
        """Size and times."""
        return self.size, self.modified, self.changed

    def holds(self, path: str | Path) -> bool:
        """Whether a file still has this content.

        Raises:
            OSError: If it cannot be read.
        """
        return os.stat(path).st_size == self.size and (
            FileState.of(path, self) == self
        )

    def to_list(self) -> list[Any]:
        """Return what JSON can hold."""
        return [*self.stamp, self.digest]

    @classmethod
    def from_list(cls, row: Any) -> FileState:
        """Read what :meth:`to_list` gave.

        Raises:
            ValueError: If it is something else.
        """
        match row:
            case [int() as size, int() as mtime, int() as ctime, str() as d]:
                return cls(size, mtime, ctime, d)
        raise ValueError(
            'expected size, two times and the digest of a file, got '
            f'{str(row)[:80]}'
        )


def digest_bytes(data: bytes) -> str:
    """Return the digest of a file that has this content."""
    digest = _hash()
    digest.update(data)
    return digest.hexdigest()


def _hash() -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=16)


@lru_cache(maxsize=_FILES)
def _digest(path: str, size: int, modified: int, changed: int) -> str:
    """Digest a file's content, once for each size and time."""
    digest = _hash()
    with open(path, 'rb') as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


class FileTable(Mapping[str, FileState]):
    """States of files by their paths, in order.

    Args:
        states: States of files by the path relative to some folder, with /.
    """

    def __init__(self, states: Mapping[str, FileState]) -> None:
        self.states = dict(states)

    @classmethod
    def of(
        cls,
        root: str | Path,
        paths: Iterable[str],
        known: Mapping[str, FileState] | None = None,
    ) -> FileTable:
        """Look at files.

        Args:
            root: Folder that the paths are relative to.
            paths: Paths of the files, in an order that matters.
            known: Earlier states, so that only what has changed is read.

        Raises:
            OSError: If one cannot be read.
        """
        root, known = Path(root), known or {}
        names = list(dict.fromkeys(paths))

        def look(name: str) -> FileState:
            return FileState.of(root / name, known.get(name))

        if len(names) < _MANY:
            return cls({name: look(name) for name in names})
        states = in_threads(look, names)
        return cls(dict(zip(names, states, strict=True)))

    def __getitem__(self, name: str) -> FileState:
        return self.states[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.states)

    def __len__(self) -> int:
        return len(self.states)

    def differences(self, theirs: Mapping[str, FileState]) -> list[str]:
        """Say which files differ from an earlier table's."""
        changed = [n for n in self if n in theirs and self[n] != theirs[n]]
        new = [name for name in self if name not in theirs]
        gone = [name for name in theirs if name not in self.states]
        found = []
        if changed:
            name = changed[0]
            old, size = theirs[name].size, self[name].size
            how = f'size {old} → {size}' if old != size else 'other content'
            found.append(
                f'{len(changed)} of {len(self)} changed, {name} '
                f'({how}) among them'
            )
        for names, word in ((new, 'new'), (gone, 'gone')):
            if names:
                found.append(f'{len(names)} {word}, {names[0]} among them')
        if not found and list(self) != list(theirs):
            found.append('another order')
        return found


def of_file(path: str | Path) -> str:
    """Name a file by its content.

    Raises:
        OSError: If it cannot be read.
    """
    return f'content {FileState.of(path).digest[:16]}'


def of_bytes(data: bytes) -> str:
    """Name a file that has this content, as :func:`of_file` does."""
    return f'content {digest_bytes(data)[:16]}'
