"""Files that visitors send."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Container
from pathlib import Path

from mmcvgssl.datasets.reading import SUFFIXES
from mmcvgssl.utils import with_suffix_added

_ODD = frozenset('<>:"/\\|?*')
_FORMULA = ('=', '+', '-', '@')  # where spreadsheets compute
_LONGEST = 120  # letters of a name
RESERVE = 1 << 30  # bytes of the disk that are left free


class UploadError(Exception):
    """A file that is not taken.

    Args:
        message: Why.
        status: Code of HTTP.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def shown_name(given: str, taken: Container[str]) -> str:
    """Return what a file is called on the page and in tables.

    It is the last part of the visitor's name, without what a file system, a
    terminal or a spreadsheet could take for something else, and differs from
    all others.

    Args:
        given: The visitor's name.
        taken: Names of others.

    Example:
        >>> shown_name('../../x.png', {'x.png'})
        'x (2).png'
    """
    last = given.replace('\\', '/').rpartition('/')[2]
    plain = ''.join(
        c if c.isprintable() and c not in _ODD else '_' for c in last
    )
    plain = plain.strip().lstrip('.') or 'image'
    if plain.startswith(_FORMULA):
        plain = f'_{plain}'
    stem, suffix = Path(plain).stem, Path(plain).suffix[:8]
    stem = stem[: _LONGEST - len(suffix)]
    name, number = f'{stem}{suffix}', 1
    while name in taken:
        number += 1
        name = f'{stem} ({number}){suffix}'
    # file systems count bytes
    return with_suffix_added(name.removesuffix(suffix), suffix)


def suffix_of(name: str) -> str:
    """Return the suffix of an image's name, in small letters.

    Raises:
        UploadError: If images have another.
    """
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise UploadError(
            f'{name}: expected an image ({", ".join(SUFFIXES)}), got '
            f'{suffix or "no ending"}: convert it, or leave it out',
            415,
        )
    return suffix


async def receive(
    parts: AsyncIterator[bytes], file: Path, name: str, max_bytes: int
) -> None:
    """Write what comes to a new file, whole or not at all.

    Args:
        parts: What comes.
        file: The file.
        name: What the visitor calls it, for messages.
        max_bytes: Most bytes.

    Raises:
        UploadError: If there are more, none, or the disk is full.
    """
    size = 0
    if shutil.disk_usage(file.parent).free < RESERVE + max_bytes:
        raise UploadError(
            f'{name}: the disk of the server is full; ask who runs it', 507
        )
    with file.open('xb') as out:
        try:
            async for part in parts:
                size += len(part)
                if size > max_bytes:
                    raise UploadError(too_large(name, max_bytes), 413)
                out.write(part)
            if not size:
                raise UploadError(f'{name} is empty: replace the file', 400)
        except BaseException as error:  # the visitor may have left
            file.unlink()
            if isinstance(error, OSError):
                raise UploadError(
                    f'{name} could not be stored ({error.strerror}): ask who '
                    'runs the server',
                    507,
                ) from error
            raise


def too_large(name: str, max_bytes: int) -> str:
    """Say that a file is too large."""
    return (
        f'{name} has more than {max_bytes / 1e6:g} MB: send a smaller image, '
        'or have the page started with a larger --max-mb'
    )
