"""The images that maps are made of: of a folder, or of a list."""

from __future__ import annotations

from pathlib import Path

from mmcvgssl.datasets.contents import Contents
from mmcvgssl.datasets.image_folders import EXTENSIONS, images_below
from mmcvgssl.datasets.layouts.mask_files import warn_of_masks
from mmcvgssl.datasets.text_lists import read_paths
from mmcvgssl.maps.writer import relative_path, require_own_maps
from mmcvgssl.utils import printable, some


def list_images(
    images: str | Path,
    root: str | Path | None = None,
    encoding: str = '',
    inside: bool = True,
) -> tuple[Path, list[str]]:
    """Find the images of a folder, or those that a file lists.

    Args:
        images: A folder, or a text file with one path a line; what follows a
            tab is left out.
        root: Folder that listed paths are relative to; by default the
            list's.
        encoding: Encoding of the list, by default UTF-8, or what a byte order
            mark says.
        inside: Whether listed paths must stay in the folder, as those of
            images that results are named after.

    Returns:
        The folder and sorted relative paths, each once.

    Raises:
        FileNotFoundError: If there is neither.
        ValueError: If there is no image, two would share a map, one lies out
            of the folder, or it is an image itself.

    Example:
        >>> folder, paths = list_images('test_images')
        >>> paths
        ['crack/0.png', 'crack/1.png', 'good/0.png', 'good/1.png']
    """
    images = Path(images)
    if images.is_dir():
        contents = Contents(str(images))
        home, paths = images, images_below(images, contents=contents)
        contents.used = {'images': len(paths)}
        warn_of_masks(home, paths, contents)
        contents.log()
    elif images.suffix.lower() in EXTENSIONS:
        raise ValueError(
            f'{images} is an image: expected a folder of images, or a text '
            'file that lists them'
        )
    elif images.is_file():
        home, paths = listed_images(images, root, encoding, inside)
    else:
        raise FileNotFoundError(
            f'expected a folder of images or a list of them, found no {images}'
        )
    if not paths:
        raise ValueError(
            f'{images}: no images; expected files ending in '
            f'{", ".join(EXTENSIONS)}, or one path a line in a list'
        )
    require_own_maps(paths)
    return home, paths


def images_below_root(
    images: str | Path, root: str | Path | None = None, encoding: str = ''
) -> tuple[Path, list[str]]:
    """Find images, and name them by their paths below one folder.

    Args:
        images: A folder, or a list, see :func:`list_images`.
        root: Folder that the paths are relative to, also those of a folder
            inside it; by default the folder of images, or the list's.
        encoding: Encoding of the list.

    Returns:
        The folder, resolved, and relative paths, each once.

    Raises:
        FileNotFoundError: If there is neither.
        ValueError: See :func:`list_images`, or if the folder of images is
            not inside of ``root``.
    """
    home, paths = list_images(images, root, encoding)
    if root is not None:
        if Path(images).is_dir() and Path(images) != Path(root):
            below = relative_path(str(images), str(root))
            if below.startswith('..'):
                raise ValueError(
                    f'{images} is not inside of {root}: set --root to a '
                    'folder above all images'
                )
            paths = [(Path(below) / path).as_posix() for path in paths]
        home = Path(root)
    home = home.resolve()
    names = (relative_path(str(home / path), str(home)) for path in paths)
    return home, list(dict.fromkeys(names))


def listed_images(
    file: Path,
    root: str | Path | None = None,
    encoding: str = '',
    inside: bool = True,
) -> tuple[Path, list[str]]:
    """Read a list of images; see :func:`list_images`.

    Args:
        file: The list.
        root: Folder that listed paths are relative to.
        encoding: Encoding of the list.
        inside: Whether listed paths must stay in the folder.

    Returns:
        The folder and sorted relative paths, each once.

    Raises:
        ValueError: If one lies out of the folder.
    """
    home = Path(root) if root else file.parent
    listed = read_paths(file, home, encoding)
    plain = {p: relative_path(str(home / p), str(home)) for p in listed}
    out = [path for path in listed if plain[path].startswith('../')]
    if out and inside:
        raise ValueError(
            f'{file}: {some(map(printable, out), "path")} out of {home}, so '
            'that their maps or overlays would lie outside of the folder that '
            'is written to; set --root to a folder above all images, and list '
            'them relative to it'
        )
    return home, sorted({*plain.values()})
