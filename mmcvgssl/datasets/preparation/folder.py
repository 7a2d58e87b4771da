"""Any images in class folders, with or without a split."""

from __future__ import annotations

from pathlib import Path

from mmcvgssl.datasets.preparation.annotations import (
    OUT_FOLDER,
    Item,
    Preparation,
    Prepared,
    write_annotations,
)
from mmcvgssl.datasets.preparation.images import (
    check_root,
    images_below,
    layout_error,
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
) -> Prepared:
    """Write the lists of images in class folders.

    Args:
        root: Folder with a folder per class, or with ``train`` and ``test``
            that hold these; the latter split is kept as it is.
        out: Folder of the lists; by default ``mmcvgssl`` in ``root``.
        test_fraction: Of each class, where there is no split yet.
        seed: Of the draw, where there is no split yet.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If there are fewer than two classes, one has too few
            images, or training and test classes differ.
    """
    root = check_root(root)
    out = Path(out) if out else root / OUT_FOLDER
    if not all((root / name).is_dir() for name in SPLITS):
        classes, items = _read(root, root, out, least=2)
        labels = dict(items)
        divided = draw_splits(labels, labels.values(), test_fraction, seed)
        return write_annotations(Prepared(root, out, classes, divided))
    read = {name: _read(root, root / name, out, least=1) for name in SPLITS}
    classes = read['train'][0]
    if classes != read['test'][0]:
        odd = sorted(set(classes) ^ set(read['test'][0]))
        raise layout_error(
            root, LAYOUTS, f'Only one of train and test has {", ".join(odd)}.'
        )
    ignored = [
        p.name
        for p in sorted(root.iterdir())
        if p.is_dir() and p.name not in (*SPLITS, out.name)
    ]
    notes = [f'not used: {", ".join(ignored)}'] if ignored else []
    divided = {name: items for name, (_, items) in read.items()}
    return write_annotations(Prepared(root, out, classes, divided, notes))


def _read(
    root: Path, folder: Path, out: Path, least: int
) -> tuple[list[str], list[Item]]:
    """List the classes of a folder, and images with paths from the root."""
    found = {
        path.name: images_below(path, skip=[out])
        for path in sorted(folder.iterdir())
        if path.is_dir() and not path.name.startswith('.')
    }
    for name, paths in list(found.items()):
        # lists of this tool are no class
        here = out.resolve().is_relative_to((folder / name).resolve())
        if not paths and (here or name == OUT_FOLDER):
            del found[name]
    few = [f'{c} has {len(p)}' for c, p in found.items() if len(p) < least]
    if len(found) < 2 or few:
        problem = f'{folder}: expected at least 2 class folders with at least '
        problem += f'{least} image{"s" * (least > 1)} each, found '
        problem += ', '.join(few) or f'{len(found)} class folders'
        raise layout_error(root, LAYOUTS, f'{problem}.')
    prefix = folder.relative_to(root)
    items = [
        ((prefix / name / path).as_posix(), index)
        for index, (name, paths) in enumerate(found.items())
        for path in paths
    ]
    return list(found), items


PREPARATION = Preparation(
    'any images in class folders, or in train/CLASS and test/CLASS',
    add_split_arguments,
    prepare_folder,
)
