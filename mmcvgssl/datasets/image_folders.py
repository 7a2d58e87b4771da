"""Finding the images of a data set."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePath

from PIL import Image

from mmcvgssl.datasets import contents as why
from mmcvgssl.datasets.contents import Contents
from mmcvgssl.datasets.files import files_and_targets, folders_in
from mmcvgssl.datasets.ignored import is_ignored
from mmcvgssl.datasets.reading import SUFFIXES
from mmcvgssl.utils import printable, some, spelled_alike

EXTENSIONS = SUFFIXES
# names of parts of a data set, in small letters
PART_NAMES = (
    *('train', 'training', 'test', 'testing', 'val', 'valid', 'validation'),
)
OUT_FOLDER = 'mmcvgssl'  # of the lists of mmcvgssl prepare
# Of a folder, in error messages.
LINES = 36
_LOOKED_INTO = 100  # files that are no images by suffix


def images_below(
    folder: Path,
    skip: Collection[Path] = (),
    extensions: Collection[str] = EXTENSIONS,
    contents: Contents | None = None,
    ignore: Collection[str] = (),
) -> list[str]:
    """List the images in a folder, in any nesting, as sorted paths with /.

    A file that links make appear more than once is listed once, by its own
    path if that is below the folder.

    Args:
        folder: Paths are relative to it.
        skip: Folders and files of results, which are no images to look at.
        extensions: Suffixes of image files, in small letters.
        contents: Collects the paths that are left out, by reason, relative
            to ``folder``.
        ignore: Patterns of names, or of paths relative to ``folder``, to
            leave out with all below them.

    Raises:
        OSError: If a folder cannot be read.
    """
    report = contents if contents is not None else Contents(str(folder))
    found: dict[str, str] = {}  # path by where the file really lies
    others = []
    base, skip = folder.resolve(), [path.resolve() for path in skip]
    start = os.path.join(folder, '')

    def inner(path: Path) -> str:
        # as path.relative_to(folder), which takes far longer
        return str(path).removeprefix(start).replace(os.sep, '/')

    def leave_out(reason: str, path: Path) -> None:
        report.leave_out(reason, inner(path))

    for path, target in files_and_targets(folder, leave_out):
        name = inner(path)
        if any((base / name).is_relative_to(s) for s in skip):
            leave_out(why.RESULTS, path)
        elif ignore and is_ignored(PurePath(name), ignore):
            leave_out(why.IGNORED, path)
        elif os.path.splitext(name)[1].lower() not in extensions:
            others.append(path)
        elif is_odd(name):
            leave_out(why.ODD_NAME, path)
        elif (other := found.setdefault(target, name)) != name:
            if target == os.path.join(base, name):
                found[target], path = name, folder / other
            leave_out(why.REPEATED, path)
    for i, path in enumerate(others):
        disguised = i < _LOOKED_INTO and _is_image(path)
        leave_out(why.DISGUISED if disguised else why.SUFFIX, path)
    return sorted(found.values())


def first_folder(path: str) -> str:
    """Return the first folder of a path, empty if there is none."""
    return path.partition('/')[0] if '/' in path else ''


def class_folders(
    root: Path,
    ignore: Collection[str] = (),
    classes: Collection[str] | None = None,
) -> list[str]:
    """Return the class folders in a folder.

    That of the lists of mmcvgssl prepare is none, where it holds no
    image.

    Args:
        root: The folder.
        ignore: See :func:`images_below`.
        classes: Names that were given; they may be of any kind.

    Raises:
        ValueError: If a name is that of a part of a data set, or names differ
            by case, spaces or form of Unicode alone, and are not given.
    """
    names = [
        name
        for name in folders_in(root)
        if not is_ignored(Path(name), ignore)
        and (name != OUT_FOLDER or images_below(root / name))
    ]
    if not classes:
        _check_names(root, names)
    return names


def _check_names(root: Path, names: list[str]) -> None:
    parts = [name for name in names if name.casefold() in PART_NAMES]
    if parts:
        raise ValueError(
            f'{root}: {", ".join(parts)} is the name of a part of a data set, '
            'not of a class; set data_prefix to the part to read, or name all '
            'classes by metainfo=dict(classes=...); mmcvgssl prepare '
            'folder takes parts that are named train and test'
        )
    alike = spelled_alike(names)
    if alike:
        raise ValueError(
            f'{root}: the class folders {alike[0]!a} and {alike[1]!a} '
            'differ by case, spaces or form of Unicode alone; merge them, '
            'or name all classes by metainfo=dict(classes=...)'
        )


def check_classes(
    root: Path,
    classes: Sequence[str],
    folders: Sequence[str],
    counts: Mapping[str, int],
    given: bool,
    contents: Contents,
) -> None:
    """Refuse folders of no class, and classes without an image.

    Args:
        root: The folder that they are in.
        classes: Names of the classes.
        folders: Names of the class folders.
        counts: Number of images by class folder.
        given: Whether the user has named the classes.
        contents: What is left out.

    Raises:
        ValueError: Names them.
    """
    unknown = [name for name in folders if name not in classes]
    if unknown:
        raise ValueError(
            f'{root}: {some(unknown, "folder")} not among the classes '
            f'{", ".join(classes)}: correct classes, or leave the folders '
            'out by ignore'
        )
    empty = [name for name in classes if not counts.get(name)]
    if empty and counts and not given:
        raise ValueError(
            f'{root}: {some(empty, "class folder")} without an image: '
            'indices of classes would depend on it; add images, or leave it '
            'out by ignore, or name all classes by '
            f'metainfo=dict(classes=...); {contents.left_out_text()}'
        )


def is_odd(name: str) -> bool:
    """Whether a list of images, one a line in UTF-8, cannot hold a name."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return True
    return any(sign in name for sign in '\t\n\r')


def _is_image(path: Path) -> bool:
    try:
        with Image.open(path):
            return True
    except Exception:  # whatever the file holds, it is no image
        return False


def layout_error(root: Path, expected: str, problem: str) -> ValueError:
    """Make an error that shows the expected and the found layout."""
    shown: list[str] = []
    for path in sorted(root.iterdir(), key=lambda p: (p.is_file(), p.name)):
        shown.append(f'  {printable(path.name)}{"/" * path.is_dir()}')
        if path.is_dir() and os.access(path, os.R_OK | os.X_OK):
            inner = sorted(path.iterdir())
            shown += [
                f'    {printable(p.name)}{"/" * p.is_dir()}' for p in inner[:2]
            ]
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
