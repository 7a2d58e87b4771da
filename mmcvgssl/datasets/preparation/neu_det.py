"""NEU-DET: boxes of six defects of hot-rolled steel."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path, PurePosixPath

from mmcvgssl.datasets.contents import Contents
from mmcvgssl.datasets.files import files_below, folders_in
from mmcvgssl.datasets.preparation.annotations import (
    OUT_FOLDER,
    Item,
    Preparation,
    Prepared,
    notes_of,
    write_annotations,
)
from mmcvgssl.datasets.preparation.images import (
    check_root,
    images_below,
    layout_error,
)
from mmcvgssl.datasets.preparation.neu_cls import CLASSES, class_of
from mmcvgssl.datasets.preparation.splits import (
    add_split_arguments,
    read_fixed,
    split_or_fixed,
)
from mmcvgssl.datasets.preparation.voc import (
    Boxes,
    check_image_size,
    read_voc,
    to_coco,
)
from mmcvgssl.utils import printable

LAYOUT = """\
  images/crazing_1.jpg ... images/scratches_300.jpg
  annotations/crazing_1.xml ... annotations/scratches_300.xml"""
FOLDERS = ('images', 'annotations')
# of the training images, for learning from few labels
FEW = ('train_05pct', 'train_10pct')


def prepare_neu_det(
    root: str | Path,
    out: str | Path | None = None,
    splits: str | Path | None = None,
    test_fraction: float = 0.5,
    seed: int = 0,
    encoding: str = '',
) -> Prepared:
    """Write NEU-DET's boxes as COCO, and the lists of its images.

    Source: Song and Yan, "A noise robust method based on completed local
    binary patterns for hot-rolled steel strip surface defects", 2013.
    ``SPLIT.json`` is written beside each ``SPLIT.txt``; file names are
    relative to ``root``.

    Args:
        root: Folder of ``images`` and ``annotations``, in any case.
        out: Folder of the lists; by default ``mmcvgssl`` in ``root``.
        splits: Folder of a fixed ``train.txt`` and ``test.txt`` and perhaps
            of ``train_05pct.txt`` and ``train_10pct.txt``, parts of the
            former; by default ``root``, if they are there.
        test_fraction: Share of each class to test on, where no split is
            fixed.
        seed: Seed of the draw, where no split is fixed.
        encoding: Encoding of fixed lists; by default UTF-8, or what a byte
            order mark says.

    Raises:
        FileNotFoundError: If a folder, list or image is missing.
        ValueError: If images and annotations do not match, or one of them
            or a list is wrong.
    """
    root = check_root(root)
    out = Path(out) if out else root / OUT_FOLDER
    contents = Contents(str(root))
    boxes = read_neu_det(root, contents)
    labels: dict[str, int] = {}
    for path in boxes:
        label = class_of(path)
        if label is None:
            raise ValueError(
                f'{root / path}: expected a name that starts with one of '
                f'{", ".join(CLASSES)}.'
            )
        labels[path] = label
    divided = split_or_fixed(
        root, out, labels, splits, test_fraction, seed, encoding, contents
    )
    folder = root if splits is None else Path(splits)
    divided |= _read_few(folder, labels, divided['train'], encoding)
    documents = {
        f'{name}.json': to_coco(
            [path for path, _ in items], boxes, CLASSES, 'NEU-DET'
        )
        for name, items in divided.items()
    }
    counted = [f'{n} {len(d["annotations"])}' for n, d in documents.items()]
    notes = [f'boxes: {", ".join(counted)}']
    others = [
        name
        for name in folders_in(root)
        if name.lower() not in FOLDERS
        and (root / name).resolve() != out.resolve()
    ]
    if others:
        notes.append(f'not used: {", ".join(map(printable, others))}')
    notes += notes_of(contents)
    return write_annotations(
        Prepared(root, out, CLASSES, divided, notes),
        {name: [json.dumps(document)] for name, document in documents.items()},
    )


def read_neu_det(
    root: Path, contents: Contents | None = None
) -> dict[str, Boxes]:
    """Read the boxes of all images, by path.

    Args:
        root: Folder of ``images`` and ``annotations``, in any case.
        contents: Collects what is left out.

    Raises:
        ValueError: If images and annotations do not match, or one is wrong.
    """
    homes = {path.name.lower(): path for path in root.iterdir()}
    missing = [name for name in FOLDERS if name not in homes]
    if missing:
        raise layout_error(
            root, LAYOUT, f'NEU-DET: no folder {" or ".join(missing)}.'
        )
    images, notes = homes['images'], homes['annotations']
    parts = [Contents(str(folder)) for folder in (images, notes)]
    paths = _by_stem(images, images_below(images, contents=parts[0]))
    files = _by_stem(notes, _annotations(notes, parts[1]))
    for folder, part in zip((images, notes), parts, strict=True):
        if contents is not None:
            contents.add(part, folder.name)
    alone = sorted(set(paths) ^ set(files))
    if alone or not paths:
        count = f'{len(alone)} images or annotations without the other'
        if alone:
            count += f', the first is {alone[0]}'
        raise layout_error(
            root, LAYOUT, f'NEU-DET: {count if paths else "no images"}.'
        )
    boxes = {}
    for stem, path in paths.items():
        found = read_voc(notes / files[stem], CLASSES)
        check_image_size(images / path, found)
        boxes[f'{images.name}/{path}'] = found
    return boxes


def _by_stem(folder: Path, paths: list[str]) -> dict[str, str]:
    """Name files by their stems.

    Raises:
        ValueError: If two share one.
    """
    found: dict[str, str] = {}
    for path in paths:
        other = found.setdefault(PurePosixPath(path).stem, path)
        if other != path:
            raise ValueError(
                f'{folder}: expected one file of each name, got {other} and '
                f'{path}; remove or rename one.'
            )
    return found


def _annotations(folder: Path, contents: Contents) -> list[str]:
    """Find the annotations, as paths in their folder."""

    def leave_out(reason: str, path: Path) -> None:
        contents.leave_out(reason, path.relative_to(folder).as_posix())

    files = []
    for path in files_below(folder, leave_out):
        if path.suffix.lower() == '.xml':
            files.append(path.relative_to(folder).as_posix())
        else:
            leave_out('no annotation by suffix', path)
    return files


def _read_few(
    folder: Path, labels: dict[str, int], train: list[Item], encoding: str
) -> dict[str, list[Item]]:
    """Read the parts of the training images that are there."""
    parts = {}
    for name in FEW:
        file = folder / f'{name}.txt'
        if not file.is_file():
            continue
        parts[name] = read_fixed(file, labels, {}, encoding)
        foreign = sorted({p for p, _ in parts[name]} - {p for p, _ in train})
        if foreign:
            raise ValueError(
                f'{file}: expected images of train.txt, got {foreign[0]}.'
            )
    return parts


def _add_arguments(parser: ArgumentParser) -> None:
    add_split_arguments(parser, fixed=True)


PREPARATION = Preparation(
    'NEU-DET: boxes of six defects, as COCO',
    _add_arguments,
    prepare_neu_det,
)
