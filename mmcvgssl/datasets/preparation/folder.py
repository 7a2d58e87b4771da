"""Any images in class folders, with or without a split."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from mmcvgssl.datasets.contents import Contents
from mmcvgssl.datasets.files import folders_in
from mmcvgssl.datasets.ignored import ignored_in, warn_of_unused
from mmcvgssl.datasets.image_folders import (
    check_root,
    class_folders,
    first_folder,
    images_below,
    layout_error,
)
from mmcvgssl.datasets.layouts.mask_files import warn_of_masks
from mmcvgssl.datasets.preparation.annotations import (
    OUT_FOLDER,
    Item,
    Preparation,
    Prepared,
    notes_of,
    write_annotations,
)
from mmcvgssl.datasets.preparation.splits import (
    SPLITS,
    add_split_arguments,
    draw_splits,
)

LAYOUTS = """\
  CLASS_A/**/*.png CLASS_B/**/*.png ...
or
  train/CLASS_A/**/*.png train/CLASS_B/**/*.png ...
  test/CLASS_A/**/*.png test/CLASS_B/**/*.png ..."""


def prepare_folder(
    root: str | Path,
    out: str | Path | None = None,
    test_fraction: float = 0.5,
    seed: int = 0,
    ignore: Sequence[str] = (),
) -> Prepared:
    """Write the lists of images in class folders.

    Args:
        root: Folder with a folder per class, or with ``train`` and ``test``
            that hold these; the latter split is used as it is.
        out: Folder of the lists; by default ``mmcvgssl`` in ``root``.
        test_fraction: Share of each class to test on, where there is no split
            yet.
        seed: Seed of the draw, where there is no split yet.
        ignore: Names of files and folders to leave out, perhaps with ``*``.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If there are fewer than two classes, one has too few
            images, or training and test classes differ.
    """
    root = check_root(root)
    out = Path(out) if out else root / OUT_FOLDER
    contents = Contents(str(root))
    if not all((root / name).is_dir() for name in SPLITS):
        classes, items = _read(root, root, out, contents, ignore, 2)
        warn_of_unused(ignore, root, contents)
        labels = dict(items)
        divided = draw_splits(labels, labels.values(), test_fraction, seed)
        notes = notes_of(contents)
        return write_annotations(Prepared(root, out, classes, divided, notes))
    read = {
        name: _read(root, root / name, out, contents, ignore, 1)
        for name in SPLITS
    }
    warn_of_unused(ignore, root, contents)
    classes = read['train'][0]
    if classes != read['test'][0]:
        odd = sorted(set(classes) ^ set(read['test'][0]))
        raise layout_error(
            root, LAYOUTS, f'Only one of train and test has {", ".join(odd)}.'
        )
    ignored = [
        name for name in folders_in(root) if name not in (*SPLITS, out.name)
    ]
    notes = [f'not used: {", ".join(ignored)}'] if ignored else []
    divided = {name: items for name, (_, items) in read.items()}
    return write_annotations(
        Prepared(root, out, classes, divided, notes + notes_of(contents))
    )


def _read(
    root: Path,
    folder: Path,
    out: Path,
    contents: Contents,
    ignore: Sequence[str],
    least: int,
) -> tuple[list[str], list[Item]]:
    """List the classes of a folder, and images with paths from the root."""
    prefix = folder.relative_to(root)
    ignore = ignored_in(prefix.as_posix(), ignore)
    part = Contents(str(folder))
    paths = images_below(folder, [out], contents=part, ignore=ignore)
    warn_of_masks(folder, paths, part)
    own = {out.resolve(), *out.resolve().parents}
    found: dict[str, list[str]] = {
        name: []
        for name in class_folders(folder, ignore)
        # lists of this tool are no class
        if (folder / name).resolve() not in own
    }
    for path in paths:
        if first_folder(path):
            found.setdefault(first_folder(path), []).append(path)
    loose = [path for path in paths if not first_folder(path)]
    part.leave_out('in no class folder', *loose)
    contents.add(part, '' if folder == root else prefix.as_posix())
    few = [f'{c} has {len(p)}' for c, p in found.items() if len(p) < least]
    if len(found) < 2 or few:
        problem = f'{folder}: expected at least 2 class folders with at least '
        problem += f'{least} image{"s" * (least > 1)} each, found '
        problem += ', '.join(few) or f'{len(found)} class folders'
        raise layout_error(root, LAYOUTS, f'{problem}.')
    classes = sorted(found)
    items = [
        ((prefix / path).as_posix(), index)
        for index, name in enumerate(classes)
        for path in found[name]
    ]
    return classes, items


def _add_arguments(parser: ArgumentParser) -> None:
    add_split_arguments(parser)
    parser.add_argument(
        '--ignore',
        nargs='+',
        default=[],
        metavar='NAME',
        help='files and folders to leave out, perhaps with *',
    )


PREPARATION = Preparation(
    'any images in class folders, or in train/CLASS and test/CLASS',
    _add_arguments,
    prepare_folder,
)
