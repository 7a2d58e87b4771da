"""Small helpers without a better home."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import sys
import unicodedata
import uuid
from collections.abc import Iterable, Mapping
from numbers import Integral
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

_LONGEST_NAME = 255  # bytes
_logged: set[str] = set()  # what `log_once` of this process has said


def atomic_write(path: str | Path, data: bytes | Iterable[bytes]) -> None:
    """Write a file whole or not at all; parent folders are made.

    Who may read it is as the process's umask says.

    Args:
        path: The file.
        data: Its content, or the parts of it, which are not in memory at
            once then.

    Raises:
        OSError: If it cannot be written; names it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # a prefix that leaves room, as a name has 255 bytes at most
    part = path.with_name(f'.{path.name[:40]}.{uuid.uuid4().hex[:12]}')
    with part.open('xb') as file:
        try:
            for each in [data] if isinstance(data, bytes) else data:
                file.write(each)
            file.close()
            os.replace(part, path)
        except BaseException as error:
            part.unlink(missing_ok=True)  # it may have been moved
            if isinstance(error, OSError) and error.filename is None:
                error.filename = str(path)
            raise


def check_file(path: str | Path, what: str) -> None:
    """Refuse the name of a file that could not be written.

    Args:
        path: The file, which need not be there, nor its folder.
        what: It is, or the option that names it.

    Raises:
        OSError: If it is a folder, its name is too long, or its folder is a
            file or may not be written to.
        ValueError: If it is empty.
    """
    _check_named(path, what, 'the name of a file')
    path = Path(path)
    if len(os.fsencode(path.name)) > _LONGEST_NAME:
        raise OSError(
            f'{path.name[:40]}... is too long a name for {what}: expected '
            f'{_LONGEST_NAME} bytes at most'
        )
    if path.is_dir():
        raise IsADirectoryError(
            f'{path} is a folder: expected the name of a file for {what}'
        )
    check_folder(path.parent, what)


def check_folder(path: str | Path, what: str) -> str:
    """Return a folder, if it could be written to.

    Args:
        path: The folder, which need not be there.
        what: It is, or the option that names it.

    Raises:
        OSError: If it, or a folder above it, is a file, or may not be
            written to.
        ValueError: If it is empty.
    """
    _check_named(path, what, 'a folder')
    whole = Path(os.path.abspath(path))
    part = next(p for p in (whole, *whole.parents) if os.path.lexists(p))
    if part.is_symlink() and not part.exists():
        raise FileNotFoundError(
            f'{part} is a link to a missing file: expected a folder for '
            f'{what}; choose another, or mend the link'
        )
    if not part.is_dir():
        raise NotADirectoryError(
            f'{part} is a file: expected a folder for {what}; choose '
            'another, or move the file away'
        )
    if not os.access(part, os.W_OK | os.X_OK):
        raise PermissionError(
            f'{part} may not be written to by this user: choose another '
            f'folder for {what}, or change the rights of the folder'
        )
    return str(path)


def _check_named(path: str | Path, what: str, expected: str) -> None:
    if not str(path).strip():
        raise ValueError(
            f'{what} is empty: expected {expected}; is a variable of the '
            'shell not set?'
        )


def parse_json(text: str | bytes, **options: Any) -> Any:
    """Read JSON; what is nested too deeply is a ``ValueError``, too.

    Args:
        text: The text.
        **options: Options of :func:`json.loads`.

    Raises:
        ValueError: If it is no JSON.
    """
    try:
        return json.loads(text, **options)
    except RecursionError as error:
        raise ValueError('it is nested too deeply') from error


def read_json(path: str | Path, kind: type = dict) -> Any:
    """Read a JSON file that this package has written.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is something else; names it.
    """
    try:
        content = parse_json(Path(path).read_bytes())
        if not isinstance(content, kind):
            raise ValueError(f'it holds a {type(content).__name__}')
    except ValueError as error:
        raise ValueError(
            f'{path}: expected JSON as this package writes it, got something '
            f'else ({error}); move the file away, and it is made anew'
        ) from error
    return content


def json_value(value: Any) -> Any:
    """Return a value as strict readers of JSON take it.

    Paths and keys become text, numbers of NumPy Python's, tuples lists, and
    what is not finite None.
    """
    if isinstance(value, Mapping):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_value(item) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, np.generic):
        return json_value(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def with_suffix_added(path: str, suffix: str) -> str:
    """Add a suffix to a path, whose name is shortened if it gets too long.

    File systems take names of 255 bytes. What is cut off is replaced by a
    digest, so that names stay different.
    """
    folder, name = os.path.split(path)
    raw = os.fsencode(name)
    room = _LONGEST_NAME - len(os.fsencode(suffix))
    if len(raw) > room:
        digest = hashlib.sha256(raw).hexdigest()[:8]
        start = raw[: room - 9].decode('utf-8', 'ignore')
        name = f'{start}~{digest}'
    return os.path.join(folder, name + suffix)


def available_cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, 'sched_getaffinity'):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def evenly(n: int, most: int) -> list[int]:
    """Choose at most ``most`` of ``n`` indices, evenly over all."""
    last, count = n - 1, min(n, most)
    if count < 2:
        return list(range(count))
    return [round(i * last / (count - 1)) for i in range(count)]


def printable(name: str) -> str:
    """Return a name as text that any terminal or file takes.

    Bytes that are no UTF-8, and what would break a line, are escaped.
    """
    try:
        text = name.encode('utf-8', 'surrogateescape')
        shown = text.decode('utf-8', 'backslashreplace')
    except UnicodeEncodeError:  # half a character, which JSON can hold
        shown = name
    return ''.join(c if c.isprintable() else ascii(c)[1:-1] for c in shown)


def folded(name: str) -> str:
    """Return a name without case, in one form of Unicode.

    macOS takes letters and their accents apart in names of files.
    """
    return unicodedata.normalize('NFC', name).casefold()


def spelled_alike(names: Iterable[str]) -> tuple[str, str] | None:
    """Return two names that differ by case, spaces or Unicode form alone."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(folded(name).strip(), name)
        if other != name:
            return other, name
    return None


def some(items: Iterable[str], noun: str = '', first: int = 3) -> str:
    """Count things and name the first of them: ``2 maps (a, b)``."""
    items = list(items)
    names = ', '.join(items[:first])
    more = ', ...' if len(items) > first else ''
    if noun:
        noun = f' {noun}{"s"[: len(items) != 1]}'
    return f'{len(items)}{noun} ({names}{more})'


def current_logger() -> logging.Logger:
    """Return mmengine's logger of the run; Python's where it is not used."""
    hosts = sys.modules.get('mmengine.logging')
    if hosts is None:
        return logging.getLogger('mmcvgssl')
    return hosts.MMLogger.get_current_instance()


def log_once(text: str, level: int, kind: str | None = None) -> None:
    """Log a line, once a process, by the logger of the run.

    Args:
        text: The line.
        level: Level of :mod:`logging`.
        kind: Only the first line of a kind is logged; by default, lines are
            of a kind if they are the same.
    """
    if (kind or text) not in _logged:
        _logged.add(kind or text)
        current_logger().log(level, text)


def is_colour_image(value: object) -> TypeGuard[np.ndarray]:
    """Whether something is an image uint8 [H, W, 3] with pixels."""
    return (
        isinstance(value, np.ndarray)
        and value.dtype == np.uint8
        and value.ndim == 3
        and value.shape[2] == 3
        and value.size > 0
    )


def check_least(**options: tuple[int | None, int]) -> None:
    """Check that options are whole numbers, and not too small.

    Args:
        **options: Value, None for a default, and the least one, by name.

    Raises:
        ValueError: Names an option that is not, or is less.

    Example:
        >>> check_least(batch_size=(32, 1), workers=(None, 0))
    """
    for name, (value, least) in options.items():
        if value is None:
            continue
        if not isinstance(value, Integral) or isinstance(value, bool):
            raise ValueError(
                f'{name} is a whole number of {least} or more, got {value!r}'
            )
        if value < least:
            raise ValueError(f'{name} is {least} or more, got {value}')
