"""Lists in text files, as editors and spreadsheets write them."""

from __future__ import annotations

import codecs
import os
import re
from argparse import ArgumentParser
from pathlib import Path
from typing import NamedTuple

# a longer mark goes before its start
_MARKS = (
    (codecs.BOM_UTF8, 'utf-8-sig'),
    (codecs.BOM_UTF32_LE, 'utf-32'),
    (codecs.BOM_UTF32_BE, 'utf-32'),
    (codecs.BOM_UTF16_LE, 'utf-16'),
    (codecs.BOM_UTF16_BE, 'utf-16'),
)
_MOST_CLASSES = 100_000
CLASS_NAMES = 'classes.txt'  # beside lists that name classes by index
_END = re.compile(r'\r\n|\n|\r')
_NAME_IT = (
    'save it as UTF-8, or name its encoding, such as cp1252: `encoding` of '
    'the data set or function, `--encoding` of the tool'
)


class Line(NamedTuple):
    """A line that is not blank, and where it stands, as ``FILE:NUMBER``."""

    where: str
    text: str


def read_text(file: str | Path, encoding: str = '') -> str:
    """Read a text file.

    Args:
        file: The file.
        encoding: Encoding of the file; by default what a byte order mark says,
            or UTF-8.

    Raises:
        FileNotFoundError: If the file is missing.
        ValueError: If it is of another encoding.
    """
    data = Path(file).read_bytes()
    # utf-16-le and the like would leave the mark in the text
    marked = next((name for m, name in _MARKS if data.startswith(m)), '')
    name = encoding or 'utf-8'
    if marked and (not encoding or _family(encoding) in _family(marked)):
        name = marked
    try:
        text = data.decode(name)
    except UnicodeError as error:
        raise ValueError(
            f'{file}: expected text in {_shown(name)}, got other bytes'
            f'{_position(data, error)}; {_NAME_IT}'
        ) from error
    except LookupError as error:
        raise ValueError(
            f'{file}: expected an encoding that Python knows, such as utf-8, '
            f'utf-16 or cp1252, got {encoding!r}'
        ) from error
    if '\0' in text:
        raise ValueError(
            f'{file}: expected text in {_shown(name)}, got zero bytes, as in '
            f'UTF-16 without a mark; {_NAME_IT.replace("cp1252", "utf-16-le")}'
        )
    return text


def read_lines(file: str | Path, encoding: str = '') -> list[Line]:
    """Read the lines of a text file, blank ones aside.

    Args:
        file: The file.
        encoding: See :func:`read_text`.

    Raises:
        FileNotFoundError: If the file is missing.
        ValueError: If it is of another encoding.
    """
    lines = _END.split(read_text(file, encoding))
    return [
        Line(f'{file}:{number}', text)
        for number, text in enumerate(lines, 1)
        if text.strip()
    ]


def classes_beside(file: str | Path) -> tuple[str, ...] | None:
    """Return the names of a list's classes, by index.

    They stand in ``classes.txt`` beside it, one a line, where
    mmcvgssl prepare has written both.

    Args:
        file: The list.

    Returns:
        The names; None if there is no such file.

    Raises:
        ValueError: If a name stands twice.
    """
    names = Path(file).parent / CLASS_NAMES
    if not names.is_file():
        return None
    found = tuple(line.text.strip() for line in read_lines(names))
    if len({*found}) < len(found):
        raise ValueError(
            f'{names}: expected each class once, got {", ".join(found)}; '
            'leave the repeated one out'
        )
    return found


def listed_path(line: Line, root: str | Path, text: str | None = None) -> str:
    r"""Return the path that a line names, relative to a folder.

    Spaces around it are left out, unless the file's name has them.

    Args:
        line: The line.
        root: The folder.
        text: Part of the line that is the path, by default all before a tab.

    Raises:
        ValueError: If folders are divided by \\ that should be /.
    """
    if text is None:
        text = line.text.split('\t')[0]
    path = text.strip()
    if path != text and Path(root, text).is_file():
        return text
    if '\\' in path and os.sep == '/' and not Path(root, path).is_file():
        plain = path.replace('\\', '/')
        raise ValueError(
            f'{line.where}: expected / between folders, and a path relative '
            f'to {root}, got {path}; replace each \\ in the list, as in '
            f'{plain}'
        )
    return path


def read_paths(
    file: str | Path, root: str | Path, encoding: str = ''
) -> list[str]:
    r"""Read paths, one a line, in order; what follows a tab is left out.

    Args:
        file: The list.
        root: Folder that the paths are relative to.
        encoding: See :func:`read_text`.

    Raises:
        FileNotFoundError: If the list is missing.
        ValueError: If it is of another encoding, or divides folders by \\.
    """
    found = [listed_path(line, root) for line in read_lines(file, encoding)]
    return [path for path in found if path]


def read_labelled(
    file: str | Path, root: str | Path, encoding: str = ''
) -> list[tuple[str, int]]:
    r"""Read lines of a path, a space or tab, and a class index.

    Args:
        file: The list.
        root: Folder that the paths are relative to.
        encoding: See :func:`read_text`.

    Raises:
        FileNotFoundError: If the list is missing.
        ValueError: If a line is malformed or divides folders by \\, or the
            list is of another encoding.
    """
    found = []
    for line in read_lines(file, encoding):
        space = '\t' if '\t' in line.text else ' '
        path, _, index = line.text.rstrip().rpartition(space)
        number = int(index) if index.isdecimal() else _MOST_CLASSES
        if not path.strip() or number >= _MOST_CLASSES:
            raise ValueError(
                f'{line.where}: expected "path class_index", with an index '
                f'from 0 on, got {line.text!r}'
            )
        found.append((listed_path(line, root, path), number))
    return found


def read_listed(
    file: str | Path, root: str | Path, encoding: str = ''
) -> list[tuple[str, int | None]]:
    """Read paths, with a class index behind each of them or behind none.

    Args:
        file: The list.
        root: Folder that the paths are relative to.
        encoding: See :func:`read_text`.

    Raises:
        FileNotFoundError: If the list is missing.
        ValueError: See :func:`read_labelled`.
    """
    lines = read_lines(file, encoding)
    if lines and all(map(_is_labelled, lines)):
        return [*read_labelled(file, root, encoding)]
    return [(path, None) for path in read_paths(file, root, encoding)]


def _is_labelled(line: Line) -> bool:
    space = '\t' if '\t' in line.text else ' '
    path, _, index = line.text.rstrip().rpartition(space)
    return bool(path.strip()) and index.isdecimal()


def add_encoding(parser: ArgumentParser) -> None:
    """Take the encoding of lists from the command line."""
    parser.add_argument(
        '--encoding',
        default='',
        metavar='NAME',
        help='of lists, such as cp1252 (default: UTF-8, or what a byte order '
        'mark says)',
    )


def _family(encoding: str) -> str:
    """Return ``utf16`` for utf_16-LE, say."""
    name = re.sub('[^a-z0-9]', '', encoding.lower())
    return re.sub('(le|be|sig)$', '', name)


def _shown(encoding: str) -> str:
    return 'UTF-8' if encoding.startswith('utf-8') else encoding


def _position(data: bytes, error: UnicodeError) -> str:
    if not isinstance(error, UnicodeDecodeError):
        return ''
    line = len(_END.findall(data[: error.start].decode('latin-1'))) + 1
    return f' ({data[error.start]:#04x} on line {line})'
