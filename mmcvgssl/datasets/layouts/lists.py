"""Lists of images, one path a line."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from mmcvgssl.datasets.text_lists import listed_path, read_lines


def read_list(
    file: Path,
    root: Path,
    extensions: Collection[str],
    encoding: str = '',
) -> Iterator[tuple[str, str, int | None]]:
    """Read lines of a path and perhaps a class index, 0 or 1.

    Args:
        file: The list.
        root: Folder that the paths are relative to.
        extensions: Suffixes of image files, in small letters.
        encoding: See :func:`mmcvgssl.datasets.text_lists.read_text`.

    Yields:
        Where the line is, the path with /, and the index or None.

    Raises:
        ValueError: If a line is anything else, or none is there.
    """
    lines = read_lines(file, encoding)
    if not lines:
        raise ValueError(f'{file}: no images; expected one path a line')
    for line in lines:
        where, text = line.where, line.text.strip()
        head, *tail = text.rsplit(maxsplit=1)
        index = None
        if tail and tail[0] in ('0', '1'):
            text, index = head, int(tail[0])
        path = PurePosixPath(listed_path(line, root, text))
        if '..' in path.parts:
            raise ValueError(
                f'{where}: expected a path below {root}, whose folders give '
                f'good and defective images, got {path}; write it without ..'
            )
        if path.is_absolute() or path.suffix.lower() not in extensions:
            raise ValueError(
                f'{where}: expected the path of an image relative to the '
                'data root, and no more than 0 (good) or 1 (defective) '
                f'after it, got {line.text!r}'
            )
        yield where, path.as_posix(), index
