"""Checks of a list of images against its folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mmcvgssl.datasets.files import ask_for_similar
from mmcvgssl.utils import printable, some

_TRIED = 5  # missing images, for which the folders are searched


def check_listed(
    file: str | Path,
    root: str | Path,
    paths: Sequence[str],
    repeats: bool = False,
    base: str = 'data_root',
) -> list[str]:
    """Look for images that are missing, or listed more than once.

    Args:
        file: The list.
        root: Folder that the paths are relative to.
        paths: Paths of the images.
        repeats: Whether an image may be listed more than once.
        base: Name of the option for ``root``, for the message.

    Returns:
        The paths that are listed more than once.

    Raises:
        FileNotFoundError: If images are missing.
        ValueError: If one is repeated and must not be.
    """
    missing = [path for path in paths if not Path(root, path).is_file()]
    if missing:
        raise FileNotFoundError(
            f'{file}: {some(map(printable, missing), "image")} of '
            f'{len(paths)} not in {root or "."}; correct the list, or '
            f'{base}, which its paths are relative to'
            f'{_meant(root, missing)}'
        )
    found = Counter(map(_plain, paths))
    twice = [path for path, n in found.items() if n > 1]
    if twice and not repeats:
        raise ValueError(
            f'{file}: {some(map(printable, twice), "image")} listed more '
            'than once; list each image once'
        )
    return twice


def _plain(path: str) -> str:
    return os.path.normpath(path)  # ./a and a are the same path


def _meant(root: str | Path, missing: Sequence[str]) -> str:
    """Name a file that may be meant by the first path that can be one."""
    for path in missing[:_TRIED]:
        question = ask_for_similar(root, path)
        if question:
            return f'; by {printable(path)}, {question}'
    return ''
