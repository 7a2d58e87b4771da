"""The inputs of a pipeline: images, and perhaps a few labels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmcvgssl.datasets.coco_check import check_coco
from mmcvgssl.datasets.coco_file import first_categories, part_of_coco
from mmcvgssl.datasets.copies import (
    kept_together,
    others_than,
    refuse_tested,
)
from mmcvgssl.datasets.preparation import stratified_split
from mmcvgssl.maps.images import images_below_root
from mmcvgssl.maps.writer import relative_path
from mmcvgssl.provenance import (
    RECORD,
    FileTable,
    Provenance,
    ProvenanceError,
)
from mmcvgssl.utils import atomic_write

IMAGES, TRAIN, TEST = 'images.txt', 'labels_train.json', 'labels_test.json'


@dataclass(frozen=True)
class Inputs:
    """Images without labels, and labelled ones to train and to test on.

    Args:
        root: Folder that all paths are relative to.
        images: Relative paths; none of them is tested on.
        left_out: Number of images that are tested on.
        train: COCO boxes to fine-tune on; None without labels.
        test: COCO boxes to test on.
    """

    root: Path
    images: Sequence[str]
    left_out: int = 0
    train: Mapping[str, Any] | None = None
    test: Mapping[str, Any] | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the categories, in the file's order."""
        if self.train is None:
            return ()
        return tuple(c['name'] for c in self.train['categories'])

    def samples(self, processes: int = 1) -> int:
        """Number of labelled images to train on, of each process."""
        count = len(self.train['images']) if self.train is not None else 0
        return -(-count // processes)

    def files(self) -> dict[str, bytes]:
        """Return the lists that stages read, by name."""
        lines = ''.join(f'{path}\n' for path in self.images)
        files = {IMAGES: lines.encode()}
        for name, coco in ((TRAIN, self.train), (TEST, self.test)):
            if coco is not None:
                files[name] = json.dumps(coco).encode()
        return files

    def provenance(
        self, known: Provenance | None = None
    ) -> dict[str, Provenance]:
        """Return the images and labels of each list, by the list's name.

        Args:
            known: Record of :meth:`write`; images that have not changed
                since are not read.
        """
        files = self.files()
        listed = {IMAGES: self.images}
        for name, coco in ((TRAIN, self.train), (TEST, self.test)):
            if coco is not None:
                listed[name] = _names(coco)
        found = {}
        for name, paths in listed.items():
            values = {}
            if name != IMAGES:
                values[name] = hashlib.sha256(files[name]).hexdigest()[:16]
            old = known.files.get(name) if known is not None else None
            table = FileTable.of(self.root, paths, old)
            found[name] = Provenance(values, {name: table})
        return found

    def write(self, folder: Path) -> None:
        """Write the lists, and what is known of the images."""
        for name, data in self.files().items():
            if not _holds(folder / name, data):
                atomic_write(folder / name, data)
        whole = Provenance()
        for part in self.provenance(read_known(folder)).values():
            whole |= part
        whole.write(folder / RECORD)


def read_known(folder: Path) -> Provenance | None:
    """Return the recorded states of the images; None if unreadable."""
    try:
        return Provenance.read(folder / RECORD)
    except ProvenanceError:  # the images are read again
        return None


def read_inputs(
    images: str | Path,
    labels: str | Path | None = None,
    test_labels: str | Path | None = None,
    root: str | Path | None = None,
    test_fraction: float = 0.5,
    seed: int = 0,
    skip: str | Path | None = None,
    encoding: str = '',
) -> Inputs:
    """Find images, check labels and set what is tested on apart.

    Args:
        images: Folder of images, or a list with a path a line.
        labels: COCO file of boxes.
        test_labels: Another one, to test on; by default a share of
            ``labels`` is.
        root: Folder that listed paths and ``file_name`` are relative to; by
            default the folder of images, or the list's.
        test_fraction: Share of each category to test on.
        seed: Seed of the draw.
        skip: Folder whose pictures are no inputs: that of the results, which
            may lie among the images.
        encoding: Encoding of the list, see :func:`mmcvgssl.apis.list_images`.

    Raises:
        FileNotFoundError: If images or labels are missing.
        AnnotationError: Names what is wrong with the labels.
        ValueError: If no image is left to learn from, the two files know
            other categories, images to test on or copies of them are learned
            from, or there is one label alone.
    """
    home, paths = images_below_root(images, root, encoding)
    if skip is not None:
        own = Path(skip).resolve()
        paths = [p for p in paths if own not in (home / p).parents]
        if not paths:
            raise ValueError(f'{images}: no images')
    if labels is None:
        if test_labels is not None:
            raise ValueError('labels to test on need labels to train on')
        return Inputs(home, paths)
    train = _read(labels, home)
    if test_labels is not None:
        test = _read(test_labels, home, testing=True)
        _compare(train, test)
        refuse_tested(
            *(_names(train), _names(test), home),
            f'labelled images to train on ({labels})',
        )
    else:
        train, test = _divide(train, home, test_fraction, seed)
    unlabelled = others_than(sorted({*_names(test)}), paths, home)
    if not unlabelled:
        raise ValueError(f'all images of {images} are tested on')
    return Inputs(home, unlabelled, len(paths) - len(unlabelled), train, test)


def _read(
    file: str | Path, root: Path, testing: bool = False
) -> dict[str, Any]:
    found = check_coco(file, root, look='pixels', testing=testing)
    found.raise_problems()
    coco = dict(found.content)
    for image in coco['images']:
        name = str(root / image['file_name'])
        image['file_name'] = relative_path(name, str(root))
    return coco


def _compare(train: Mapping[str, Any], test: Mapping[str, Any]) -> None:
    sides = [[c['name'] for c in part['categories']] for part in (train, test)]
    if sides[0] != sides[1]:
        raise ValueError(
            f'labels to train on know {sides[0]}, those to test on '
            f'{sides[1]}: expected the same categories in the same order'
        )


def _names(coco: Mapping[str, Any]) -> list[str]:
    return [image['file_name'] for image in coco['images']]


def _divide(
    whole: dict[str, Any], root: Path, test_fraction: float, seed: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Divide images by the category of their first box, copies together."""
    if len(whole['images']) < 2:
        raise ValueError(
            'a part to test on needs at least 2 labelled images, got '
            f'{len(whole["images"])}'
        )
    strata = first_categories(whole)
    sides = [0] * len(strata)
    for i in stratified_split(strata, test_fraction, seed)[1]:
        sides[i] = 1
    sides = kept_together(root, _names(whole), sides)
    train, test = (
        part_of_coco(whole, [i for i, own in enumerate(sides) if own == side])
        for side in (0, 1)
    )
    if not (train['annotations'] and test['annotations']):
        raise ValueError(
            f'dividing {len(strata)} labelled images leaves a part '
            'without a box: label more, or give labels to test on'
        )
    return train, test


def _holds(file: Path, data: bytes) -> bool:
    return file.is_file() and file.read_bytes() == data
