"""Names and patterns of what the user wants to be left out."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Collection, Iterable
from functools import lru_cache
from pathlib import Path, PurePath
from posixpath import normpath

from mmcvgssl.datasets import contents as why
from mmcvgssl.datasets.contents import Contents
from mmcvgssl.datasets.files import files_below, folders_in
from mmcvgssl.utils import printable, some


def is_ignored(path: PurePath, ignore: Collection[str]) -> bool:
    """Whether a pattern, or its very text, names a file or its folder."""
    levels = [path, *path.parents][:-1]  # the last is the root
    return any(
        _names(level.name, pattern) or _names(level.as_posix(), pattern)
        for level in levels
        for pattern in ignore
    )


def ignored_in(folder: str, ignore: Iterable[str]) -> list[str]:
    """Make patterns of paths below the root ones of paths in a folder, too.

    Args:
        folder: Path of the folder below the root, with /.
        ignore: The patterns.
    """
    start = f'{folder}/'
    plain = [_plain(pattern) for pattern in ignore]
    inner = [p.removeprefix(start) for p in plain if p.startswith(start)]
    return [*plain, *inner]


def ignored_of_list(
    paths: Iterable[str],
    root: Path,
    ignore: Collection[str],
    contents: Contents,
) -> set[str]:
    """Return listed paths that are to be left out, and report them.

    Args:
        paths: As the list has them.
        root: Folder that patterns of paths are relative to, as the paths.
        ignore: The patterns.
        contents: Collects the paths; notes patterns that name none, as what
            they name need not be in a list.

    Raises:
        ValueError: If no image is left.
    """
    if not ignore:
        return set()
    below = {p: os.path.relpath(os.path.join(root, p), root) for p in paths}
    found = [p for p, own in below.items() if is_ignored(Path(own), ignore)]
    names = [below[path] for path in found]
    contents.leave_out(why.IGNORED, *names)
    contents.notes += _say(_unused(ignore, names))
    if below and len(found) == len(below):
        raise ValueError(
            f'{contents.source}: all images are left out by ignore '
            f'({", ".join(map(printable, ignore))}): correct it or the list'
        )
    return set(found)


def warn_of_unused(
    ignore: Collection[str], root: Path, contents: Contents
) -> None:
    """Warn of patterns that name nothing in a folder.

    Args:
        ignore: The patterns.
        root: The folder.
        contents: What has been left out of it, with paths below it.
    """
    names = [name for found in contents.left_out.values() for name in found]
    # an empty one holds no file that was left out
    unused = _unused(ignore, [*names, *folders_in(root)])
    if unused:  # or of a part of the data that is not read here
        start = os.path.join(root, '')
        below = (str(path).removeprefix(start) for path in files_below(root))
        contents.warnings += _say(_unused(unused, below))


def _unused(ignore: Collection[str], names: Iterable[str]) -> list[str]:
    """Return the patterns that name none of these files and folders."""
    if not ignore:
        return []
    levels: set[str] = set()
    for name in names:
        parts = name.replace(os.sep, '/').split('/')
        for end in range(1, len(parts) + 1):
            levels |= {'/'.join(parts[i:end]) for i in range(end)}
    return [
        pattern
        for pattern in ignore
        if _plain(pattern) not in levels
        and not fnmatch.filter(levels, _plain(pattern))
    ]


def _say(unused: Collection[str]) -> list[str]:
    """Make a line of the patterns, if there are any."""
    if not unused:
        return []
    return [
        f'{some(map(printable, unused), "pattern")} of ignore leaves nothing '
        'out: expected names of files or folders, or their paths below the '
        'root, perhaps with *, in the same case; correct or remove it'
    ]


def _names(text: str, pattern: str) -> bool:
    plain = _plain(pattern)
    # brackets may be a part of a name, too
    return text == plain or fnmatch.fnmatchcase(text, plain)


@lru_cache(maxsize=1024)
def _plain(pattern: str) -> str:
    """Return ``a/b`` for ``./a/b/``, as shells complete names."""
    return normpath(pattern) if pattern else ''
