"""NEU: six defects of hot-rolled steel, in any layout it is passed on in."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path, PurePosixPath

from mmcvgssl.datasets.contents import Contents
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

# Class by its abbreviation in NEU-CLS.
ABBREVIATIONS = {
    'cr': 'crazing',
    'in': 'inclusion',
    'pa': 'patches',
    'ps': 'pitted_surface',
    'rs': 'rolled-in_scale',
    'sc': 'scratches',
}
CLASSES = tuple(ABBREVIATIONS.values())
LAYOUTS = """\
  Cr_1.bmp In_1.bmp Pa_1.bmp PS_1.bmp RS_1.bmp Sc_1.bmp ...   (NEU-CLS)
or
  images/crazing_1.jpg ... images/scratches_300.jpg           (NEU-DET)
or
  crazing/* inclusion/* patches/* pitted_surface/* rolled-in_scale/* \
scratches/*"""


def prepare_neu_cls(
    root: str | Path,
    out: str | Path | None = None,
    splits: str | Path | None = None,
    test_fraction: float = 0.5,
    seed: int = 0,
    encoding: str = '',
) -> Prepared:
    """Write the lists of NEU's six classes, from NEU-CLS or NEU-DET.

    Source: Song and Yan, "A noise robust method based on completed local
    binary patterns for hot-rolled steel strip surface defects", 2013.

    Args:
        root: Folder with the images, an ``images`` folder, or class folders.
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
    known = {p: c for p in paths if (c := class_of(p)) is not None}
    empty = [c for i, c in enumerate(CLASSES) if i not in known.values()]
    if empty:
        raise layout_error(
            root, LAYOUTS, f'NEU: no images of {", ".join(empty)}.'
        )
    divided = split_or_fixed(
        root, out, known, splits, test_fraction, seed, encoding, contents
    )
    others = sorted(set(paths) - set(known))
    notes = notes_of(contents)
    if others:
        notes.append(
            f'{len(others)} images of no NEU class left out: {others[0]}'
            f'{" ..." if len(others) > 1 else ""}'
        )
    return write_annotations(Prepared(root, out, CLASSES, divided, notes))


def class_of(path: str) -> int | None:
    """Return the class index that an image's folder or name gives."""
    parsed = PurePosixPath(path)
    for word in (parsed.parent.name, parsed.stem.rpartition('_')[0]):
        name = word.lower().replace(' ', '_')
        name = ABBREVIATIONS.get(name, name)
        for index, known in enumerate(CLASSES):
            if name.replace('-', '_') == known.replace('-', '_'):
                return index
    return None


def _add_arguments(parser: ArgumentParser) -> None:
    add_split_arguments(parser, fixed=True)


PREPARATION = Preparation(
    'NEU-CLS, or the images of NEU-DET as six classes',
    _add_arguments,
    prepare_neu_cls,
)
