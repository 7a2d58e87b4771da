"""The images that are predicted: one, or those of a folder or a list."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmcvgssl.datasets.contents import Contents
from mmcvgssl.datasets.image_folders import images_below
from mmcvgssl.datasets.layouts.mask_files import warn_of_masks
from mmcvgssl.maps.images import listed_images


def is_list(path: Path) -> bool:
    """Whether a path is that of a list of images."""
    return path.suffix.lower() == '.txt' and path.is_file()


def images_home(path: str | Path, root: str | Path | None = None) -> Path:
    """Return the folder that names of the images are relative to.

    Args:
        path: Image, folder or list, see :func:`find_images`.
        root: Folder that listed paths are relative to, if it is another.
    """
    home = Path(root or path)
    return home if home.is_dir() else home.parent


def find_images(
    path: str | Path,
    skip: Sequence[str | Path] = (),
    contents: Contents | None = None,
    root: str | Path | None = None,
    encoding: str = '',
) -> list[Path]:
    """Return an image itself, or those of a folder in any nesting or a list.

    Args:
        path: Image, folder, or list: ``NAME.txt``, one path a line.
        skip: Folders below it whose pictures are no input.
        contents: Collects the files that are left out, by reason.
        root: Folder that listed paths are relative to; by default the
            list's.
        encoding: Encoding of the list.

    Raises:
        FileNotFoundError: If there is none of them, or no such folder.
        ValueError: If there is no image, or a listed one lies out of the
            folder.
    """
    path = Path(path)
    if is_list(path):
        if root is not None and not Path(root).is_dir():
            raise FileNotFoundError(f'--root: no folder {root}')
        home, names = listed_images(path, root, encoding)
        if not names:
            raise ValueError(f'{path}: no images; expected one path a line')
        return [home / name for name in names]
    if root is not None:
        raise ValueError(
            f'--root {root} is for the paths of a list, NAME.txt, and '
            f'{path} is none: leave it out'
        )
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise FileNotFoundError(
            f'expected an image, a folder or a list of images, found no {path}'
        )
    report = contents if contents is not None else Contents(str(path))
    found = [
        path / name
        for name in images_below(path, [*map(Path, skip)], contents=report)
    ]
    warn_of_masks(
        path, [p.relative_to(path).as_posix() for p in found], report
    )
    if not found:
        raise ValueError(f'{path}: no images; {report.left_out_text()}')
    return found
