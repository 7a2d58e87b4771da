"""Whether a list of images fits the folder that it is of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mmcvgssl.utils import printable, some


def check_listed(
    file: str | Path,
    root: str | Path,
    paths: Sequence[str],
    repeats: bool = False,
) -> list[str]:
    """Look for images that are missing, or listed more than once.

    Args:
        file: The list.
        root: Folder that the paths are relative to.
        paths: Of the images.
        repeats: Whether an image may be listed more than once.

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
            'data_root, which its paths are relative to'
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
    return Path(path).as_posix()  # ./a is a
