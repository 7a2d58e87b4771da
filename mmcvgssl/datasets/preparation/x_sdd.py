"""X-SDD: seven defects of hot-rolled strip, in class folders."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from mmcvgssl.datasets.contents import Contents
from mmcvgssl.datasets.image_folders import first_folder
from mmcvgssl.datasets.preparation.annotations import (
    OUT_FOLDER,
    Preparation,
    Prepared,
    notes_of,
    write_annotations,
)
from mmcvgssl.datasets.preparation.images import (
    check_root,
    images_besides,
    layout_error,
)
from mmcvgssl.datasets.preparation.splits import (
    add_split_arguments,
    split_or_fixed,
)

CLASSES = (
    'finishing roll printing',
    'iron sheet ash',
    'oxide scale of plate system',
    'oxide scale of temperature system',
    'red iron',
    'slag inclusion',
    'surface scratch',
)


def prepare_x_sdd(
    root: str | Path,
    out: str | Path | None = None,
    splits: str | Path | None = None,
    test_fraction: float = 0.5,
    seed: int = 0,
    encoding: str = '',
) -> Prepared:
    """Write the lists of X-SDD.

    Source: https://github.com/Fighter20092392/X-SDD-A-New-benchmark

    Args:
        root: Folder with the seven class folders.
        out: Folder of the lists; by default ``mmcvgssl`` in ``root``.
        splits: Folder of a fixed ``train.txt`` and ``test.txt``; by default
            ``root``, if they are there.
        test_fraction: Share of each class to test on, where no split is
            fixed.
        seed: Seed of the draw, where no split is fixed.
        encoding: Encoding of fixed lists; by default UTF-8, or what a byte
            order mark says.

    Raises:
        FileNotFoundError: If a folder, list or image is missing.
        ValueError: If a class has no images, or a fixed split is wrong.
    """
    root = check_root(root)
    out = Path(out) if out else root / OUT_FOLDER
    contents = Contents(str(root))
    paths = images_besides(root, out, contents)
    labels = {
        path: index
        for index, name in enumerate(CLASSES)
        for path in paths
        if first_folder(path) == name
    }
    others = [path for path in paths if path not in labels]
    contents.leave_out('in no folder of a class', *others)
    empty = [c for i, c in enumerate(CLASSES) if i not in labels.values()]
    if empty:
        raise layout_error(
            root,
            '\n'.join(f'  {name}/*.png' for name in CLASSES),
            f'X-SDD: no images of {", ".join(empty)}.',
        )
    divided = split_or_fixed(
        root, out, labels, splits, test_fraction, seed, encoding, contents
    )
    return write_annotations(
        Prepared(root, out, CLASSES, divided, notes_of(contents))
    )


def _add_arguments(parser: ArgumentParser) -> None:
    add_split_arguments(parser, fixed=True)


PREPARATION = Preparation(
    'X-SDD: seven class folders of hot-rolled strip',
    _add_arguments,
    prepare_x_sdd,
)
