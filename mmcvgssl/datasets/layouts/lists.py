"""Lists of images, one path a line."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath


def read_list(
    file: Path, extensions: Collection[str]
) -> Iterator[tuple[str, str, int | None]]:
    """Read lines of a path and perhaps a class index, 0 or 1.

    Yields:
        Where the line is, the path with /, and the index or None.

    Raises:
        ValueError: If a line is anything else, or none is there.
    """
    lines = file.read_text('utf-8-sig').splitlines()
    if not any(map(str.strip, lines)):
        raise ValueError(f'{file}: no images; expected one path a line')
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text:
            continue
        where = f'{file}:{number}'
        head, *tail = text.rsplit(maxsplit=1)
        index = None
        if tail and tail[0] in ('0', '1'):
            text, index = head, int(tail[0])
        path = PurePosixPath(text)
        if path.is_absolute() or path.suffix.lower() not in extensions:
            raise ValueError(
                f'{where}: expected the path of an image relative to the '
                'data root, and no more than 0 (good) or 1 (defective) '
                f'after it, got {line!r}'
            )
        yield where, path.as_posix(), index
