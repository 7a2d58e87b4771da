"""Walking through folders of files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path, PurePosixPath

from mmcvgssl.datasets import contents as why
from mmcvgssl.utils import folded, printable

# of NAS devices, archives and operating systems, in small letters
SYSTEM_NAMES = frozenset(
    {
        *('@eadir', '#recycle', '#snapshot', '@recycle', '@tmp'),
        *('@recently-snapshot', '@__thumb', '@upload_cache'),
        *('$recycle.bin', 'recycler', 'system volume information'),
        *('__macosx', 'lost+found', '__pycache__', 'found.000'),
        *('thumbs.db', 'ehthumbs.db', 'desktop.ini'),
    }
)
# a file that results of this package lie beside, and their names
MARK = '.mmcvgssl-pictures'  # a folder of pictures alone holds it
RESULTS = {
    MARK: ('*',),
    'predictions.json': ('overlays',),
    'report.json': ('report.png',),
    'few_shot.json': ('few_shot.png',),
    'selection.json': ('contact_sheet.png',),
    'result.json': ('histogram.png', 'roc.png', 'tsne.png'),
    'vis_data': ('vis_data',),  # of mmengine's visualizers
}

# called with a reason and the path that is passed over
PassedOver = Callable[[str, Path], None]


def files_below(
    folder: str | Path,
    passed_over: PassedOver | None = None,
) -> Iterator[Path]:
    """Find files in any nesting, in order, through links, too.

    Hidden files, folders of the system and results of this package are
    passed over, and so is a link back to a folder that it stands in. There
    are none in a folder that does not exist.

    Args:
        folder: Where to look.
        passed_over: Called with the reason, one of
            :mod:`mmcvgssl.datasets.contents`, and the path of what is not
            yielded.

    Raises:
        OSError: If a folder cannot be read: names it.
    """
    for path, _ in files_and_targets(folder, passed_over):
        yield path


def files_and_targets(
    folder: str | Path,
    passed_over: PassedOver | None = None,
    _above: tuple[str, ...] = (),
) -> Iterator[tuple[Path, str]]:
    """Find files as :func:`files_below` does, and where each really lies.

    Two paths of one file, as through a link, have the same such place.

    Args:
        folder: Where to look.
        passed_over: See :func:`files_below`.

    Raises:
        OSError: If a folder cannot be read: names it.
    """
    report = passed_over or (lambda reason, path: None)
    real = os.path.realpath(folder)
    if not os.path.isdir(real):
        return
    if any(Path(outer).is_relative_to(real) for outer in _above):
        report(why.LOOP, Path(folder))
        return
    entries, results = _listed(folder)
    for entry in entries:
        path = Path(entry.path)
        reason = _reason(entry, results)
        if reason is not None:
            report(reason, path)
        elif entry.is_dir():
            yield from files_and_targets(path, report, (*_above, real))
        elif entry.is_symlink():
            yield path, os.path.realpath(path)
        else:  # no look at the disk for each file
            yield path, os.path.join(real, entry.name)


def folders_in(folder: str | Path) -> list[str]:
    """Name the folders right in a folder that :func:`files_below` enters.

    Raises:
        OSError: If the folder cannot be read: names it.
    """
    entries, results = _listed(folder)
    return [
        entry.name
        for entry in entries
        if entry.is_dir() and _reason(entry, results) is None
    ]


def similar_file(root: str | Path, path: str) -> str | None:
    """Find a file whose path differs by case or by the form of Unicode.

    Args:
        root: Folder that the path is relative to.
        path: Relative path with /.

    Returns:
        Its path, relative to the folder; None if there is none.
    """
    folder, parts = Path(root), []
    for part in PurePosixPath(path).parts:
        if not os.path.isdir(folder):
            return None
        name: str | None = part
        if not os.path.exists(folder / part):
            changed = os.stat(folder).st_mtime_ns
            name = _by_folded_name(str(folder), changed).get(folded(part))
        if name is None:
            return None
        parts.append(name)
        folder /= name
    found = PurePosixPath(*parts).as_posix()
    return found if os.path.isfile(folder) else None


def ask_for_similar(root: str | Path, path: str, *others: str) -> str:
    """Ask whether a file with nearly the name of a missing one is meant.

    Args:
        root: Folder that the paths are relative to.
        path: Path of the missing one.
        *others: Other spellings of the path.

    Returns:
        ``is good/1.png meant?`` or the like; empty without such a file.
    """
    for spelling in (path, *others):
        found = similar_file(root, spelling)
        if found is not None:
            form = ''
            if found.casefold() == path.casefold():
                form = ', in another case'
            elif folded(found) == folded(path):
                form = ', in another form of Unicode'
            return f'is {printable(found)} meant{form}?'
    return ''


@lru_cache(maxsize=64)
def _by_folded_name(folder: str, modified: int) -> dict[str, str]:
    return {folded(name): name for name in os.listdir(folder)}


def _listed(folder: str | Path) -> tuple[list[os.DirEntry], list[str]]:
    """Return what a folder holds, and patterns of what are results in it."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise type(error)(
            error.errno,
            f'{error.strerror}: the folder cannot be read, so what it holds '
            'would be left out; give permission or move it away',
            str(folder),
        ) from error
    results = [
        pattern for entry in entries for pattern in RESULTS.get(entry.name, ())
    ]
    return entries, results


def _reason(entry: os.DirEntry, results: list[str]) -> str | None:
    """Return why a file or folder is passed over, if it is."""
    if entry.name.casefold() in SYSTEM_NAMES:
        return why.SYSTEM
    if entry.name.startswith('.'):
        return why.HIDDEN
    if any(fnmatchcase(entry.name, pattern) for pattern in results):
        return why.RESULTS
    if not (entry.is_dir() or entry.is_file()):
        return why.NOT_A_FILE
    return None
