"""What is true of images: labels, defects, masks and boxes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mmcvgssl.apis.testing.box_test import find_coco
from mmcvgssl.apis.testing.kind import check_classes, check_listed
from mmcvgssl.datasets import OneClassDataset, SurfaceImages
from mmcvgssl.datasets.layouts import GOOD
from mmcvgssl.datasets.text_lists import classes_beside
from mmcvgssl.maps.box_files import read_ground_truth
from mmcvgssl.predictions import GOOD as GOOD_NAME
from mmcvgssl.utils import printable, some

_NAME_IT = (
    '; --images DIR names the folder that the images, and the paths of a '
    'list, are in now'
)
ANOMALY, CLASSIFIER, DETECTOR = 'anomaly', 'classifier', 'detector'


@dataclass(frozen=True)
class TrueImage:
    """What is true of an image.

    Args:
        name: Name of its class, or of its defect.
        defective: Whether it has a defect, if that is known.
        mask: Path of the mask of the defect, if there is one.
        has_boxes: Whether the boxes are known.
        boxes: (x1, y1, x2, y2) in pixels of the upright image, [m, 4].
        labels: Names of the boxes' classes.
    """

    name: str
    defective: bool | None = None
    mask: str | None = None
    has_boxes: bool = False
    boxes: np.ndarray = field(default_factory=lambda: np.zeros((0, 4)))
    labels: tuple[str, ...] = ()

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> TrueImage:
        """Return what a row of a test says, see ``truth_in`` of it.

        Raises:
            KeyError: If something is missing.
            TypeError: If something is of another type.
            ValueError: If a box is none.
        """
        mask, defective = row.get('mask'), row.get('defective')
        if not isinstance(mask, str | None):
            raise TypeError(f'a mask is {mask!r:.40}')
        boxes = row.get('boxes') or ()
        corners = np.array([b['box'] for b in boxes], float).reshape(-1, 4)
        if not np.isfinite(corners).all():
            raise ValueError(f'a true box is {boxes!r:.60}')
        return cls(
            str(row['name']),
            None if defective is None else bool(defective),
            mask,
            'boxes' in row,
            corners,
            tuple(str(b['label']) for b in boxes),
        )


class Truth:
    """Labels that a user names, read as the kind of prediction needs them.

    Args:
        path: A COCO file; a folder of images as ``mmcvgssl test --images``
            takes it; or a list, ``NAME.txt``: a path and a class index a
            line.
        root: Folder that the paths of a file or list are relative to; by
            default its own.
        encoding: Encoding of a list.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        ValueError: If it is another file.
    """

    def __init__(
        self, path: str | Path, root: Path | None = None, encoding: str = ''
    ) -> None:
        self.path, self.encoding = Path(path), encoding
        self.is_list = self.path.suffix.lower() == '.txt'
        self.root = root
        if not self.path.exists():
            raise FileNotFoundError(
                'expected a COCO file, a folder of images or a list as '
                f'--truth, found no {printable(str(path))}'
            )
        is_coco = self.path.suffix.lower() == '.json'
        if self.path.is_file() and not (self.is_list or is_coco):
            raise ValueError(
                'expected a COCO file, NAME.json, a folder of images or a '
                f'list, NAME.txt, as --truth, got {printable(str(path))}'
            )
        self.matched = 0
        self.problem: Exception | None = None
        self._read: dict[str, Mapping[str, TrueImage | None]] = {}
        self._unclear: dict[str, str] = {}

    def fit(
        self,
        kind: str,
        paths: Sequence[str],
        notes: list[str],
        classes: Sequence[str] = (),
        source: str = '',
    ) -> list[TrueImage | None]:
        """Return what is true of images; nothing, where it is of others.

        Args:
            kind: Kind of the model that predicted them.
            paths: Their paths.
            notes: Gets the reason why it does not fit.
            classes: Names that the model knows; by default any.
            source: Its file, for messages.
        """
        try:
            found = self.of(kind, paths, classes, source)
        except (OSError, ValueError) as error:
            self.problem = self.problem or error
            notes.append(str(error))
            return [None] * len(paths)
        if kind in self._unclear:
            notes.append(self._unclear[kind])
        return found

    def of(
        self,
        kind: str,
        paths: Sequence[str],
        classes: Sequence[str] = (),
        source: str = '',
    ) -> list[TrueImage | None]:
        """Return what is true of images.

        Args:
            kind: Kind of the model that predicted them.
            paths: Their paths; the longest end of one that is known counts.
            classes: Names that the model knows; by default any.
            source: Its file, for messages.

        Returns:
            None for images that are not known, or have no one class.

        Raises:
            AnnotationError: If a COCO file is none.
            ValueError: If none is known, two would be the same, or the model
                does not know a class.
        """
        if kind not in self._read:
            try:
                self._read[kind] = self._of(kind)
            except FileNotFoundError as error:
                if not self.is_list or self.root is not None:
                    raise
                raise FileNotFoundError(f'{error}{_NAME_IT}') from error
        known = self._read[kind]
        found = [_longest_end(path, known) for path in paths]
        self._check(paths, found, known)
        true = [None if end is None else known[end] for end in found]
        if classes:
            self._check_classes(kind, true, classes, source)
        self.matched += 1
        return true

    def _of(self, kind: str) -> Mapping[str, TrueImage | None]:
        if kind == DETECTOR or self.path.suffix.lower() == '.json':
            return self._of_coco(find_coco(self.path)[0], kind)
        home, file = self.path, ''
        if self.is_list:
            home, file = (
                self.root or self.path.parent,
                str(self.path.resolve()),
            )
        if kind == CLASSIFIER:
            images = SurfaceImages(
                str(home),
                file,
                encoding=self.encoding,
                with_label=True,
                min_classes=1,
                pipeline=[],
            )
            names = images.metainfo['classes']
            return {
                _key(row['img_path']): TrueImage(str(names[row['gt_label']]))
                for row in _infos(images)
            }
        tested = OneClassDataset(
            str(home),
            file,
            encoding=self.encoding,
            split='test',
            pipeline=[],
        )
        return {
            _key(row['img_path']): TrueImage(
                row['defect'], row['gt_label'] != GOOD, row['mask_path']
            )
            for row in _infos(tested)
        }

    def _of_coco(
        self, file: Path, kind: str
    ) -> Mapping[str, TrueImage | None]:
        """Return what labels say of images; see what is not clear, too."""
        truth = read_ground_truth(file)
        found: dict[str, TrueImage | None] = {}
        none = np.zeros((0, 4)), np.zeros(0, int)
        several = []
        for path in [*truth.images, *truth.unboxed]:
            boxes, labels = truth.images.get(path, none)
            every = [*labels, *truth.left_out.get(path, ())]
            key = Path(path).as_posix()
            found[key] = TrueImage(
                truth.classes[every[0]] if every else GOOD_NAME,
                bool(every),
                has_boxes=path in truth.images,
                boxes=boxes,
                labels=tuple(truth.classes[label] for label in labels),
            )
            if kind == CLASSIFIER and len({*every}) > 1:
                several.append(printable(path))
                found[key] = None
        if several:
            self._unclear[kind] = (
                f'{file}: {some(several, "image")} with labels of several '
                'classes: none is the class of the image'
            )
        if kind == DETECTOR and truth.unboxed:
            self._unclear[kind] = (
                f'{file}: {some(map(printable, truth.unboxed), "image")} with '
                'crowds or boxes without an area alone: where their defects '
                'are is not known'
            )
        return found

    def _check(
        self,
        paths: Sequence[str],
        found: Sequence[str | None],
        known: Mapping[str, TrueImage | None],
    ) -> None:
        owners: dict[str, str] = {}
        for path, end in zip(paths, found, strict=True):
            if end is not None and owners.setdefault(end, path) != path:
                raise ValueError(
                    f'{self.path}: {printable(end)} would be the truth of '
                    f'both {printable(owners[end])} and {printable(path)}: '
                    'name a file whose paths tell them apart'
                )
        if paths and not owners:
            by_end = not (self.is_list or self.path.is_dir())
            raise ValueError(
                f'{self.path} knows none of the images: expected a path that '
                f'{printable(paths[0])} ends in, got '
                f'{printable(next(iter(known), "none"))} and the like'
                + ('' if by_end or self.root else _NAME_IT)
            )

    def _check_classes(
        self,
        kind: str,
        true: Sequence[TrueImage | None],
        classes: Sequence[str],
        source: str,
    ) -> None:
        if kind == CLASSIFIER and self.is_list:
            names = classes_beside(self.path)
            check_listed(self.path, names, classes, source)
        found = dict.fromkeys(
            name
            for t in true
            if t is not None
            for name in (t.labels if kind == DETECTOR else (t.name,))
        )
        check_classes([*found], classes, source, str(self.path), some=True)


def _infos(images: SurfaceImages) -> Iterator[dict[str, Any]]:
    return map(images.get_data_info, range(images.n_images))


def _key(path: str) -> str:
    return Path(path).resolve().as_posix()


def _longest_end(path: str, known: Collection[str]) -> str | None:
    """Return the longest end of a path, whole folders, that is known."""
    whole = _key(path)
    if whole in known:
        return whole
    parts = whole.strip('/').split('/')
    ends = ('/'.join(parts[i:]) for i in range(len(parts)))
    return next((end for end in ends if end in known), None)
