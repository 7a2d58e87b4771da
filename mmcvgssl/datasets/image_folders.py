"""Finding the images of a data set, and saying so where there are none."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from mmcvgssl.datasets.surface_images import EXTENSIONS
from mmcvgssl.utils import files_below

# Of a folder, in error messages.
LINES = 36


def images_below(
    folder: Path,
    skip: Collection[Path] = (),
    extensions: Collection[str] = EXTENSIONS,
) -> list[str]:
    """List the images in a folder, in any nesting, as sorted paths with /.

    Args:
        folder: Paths are relative to it.
        skip: Folders to leave out; so are hidden ones.
        extensions: What image files end in, in small letters.
    """
    found = []
    base, skip = folder.resolve(), [path.resolve() for path in skip]
    for path in files_below(folder):
        if path.suffix.lower() not in extensions:
            continue
        inner = path.relative_to(folder)
        if not any((base / inner).is_relative_to(s) for s in skip):
            found.append(inner.as_posix())
    return sorted(found)


def layout_error(root: Path, expected: str, problem: str) -> ValueError:
    """Make an error that shows the expected and the found layout."""
    shown: list[str] = []
    for path in sorted(root.iterdir(), key=lambda p: (p.is_file(), p.name)):
        shown.append(f'  {path.name}{"/" if path.is_dir() else ""}')
        if path.is_dir():
            inner = sorted(path.iterdir())
            shown += [f'    {p.name}{"/" * p.is_dir()}' for p in inner[:2]]
            shown += ['    ...'] * (len(inner) > 2)
    listed = '\n'.join([*shown[:LINES], *['  ...'] * (len(shown) > LINES)])
    return ValueError(
        f'{problem}\nExpected:\n{expected}\nFound in {root}:\n'
        f'{listed or "  nothing"}'
    )


def check_root(root: str | Path) -> Path:
    """Return the data set's folder.

    Raises:
        FileNotFoundError: If it is no folder.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(
            f'Expected the folder of a data set, found none at {root}. Check '
            'the path.'
        )
    return root
