"""Images of surfaces in a folder or a list, with or without labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmpretrain.datasets import CustomDataset

from mmcvgssl.datasets.contents import UNREADABLE, Contents
from mmcvgssl.datasets.ignored import ignored_of_list, warn_of_unused
from mmcvgssl.datasets.image_folders import (
    EXTENSIONS,
    check_classes,
    class_folders,
    first_folder,
    images_below,
)
from mmcvgssl.datasets.layouts.mask_files import warn_of_masks
from mmcvgssl.datasets.listed_images import check_listed
from mmcvgssl.datasets.reading import UnreadableImageError, check_image
from mmcvgssl.datasets.text_lists import (
    classes_beside,
    read_labelled,
    read_lines,
    read_paths,
)
from mmcvgssl.datasets.transforms.load_image import find_load_image
from mmcvgssl.datasets.unreadable_share import UnreadableShare
from mmcvgssl.datasets.view_seeds import ViewSeeds
from mmcvgssl.processes import in_threads
from mmcvgssl.registry import DATASETS
from mmcvgssl.utils import printable, some


@DATASETS.register_module()
class SurfaceImages(CustomDataset):
    """mmpretrain's ``CustomDataset`` that skips broken files.

    An unreadable file is logged once, counted and skipped; too many of them
    stop the run. Random transforms are seeded by the run's seed, the epoch
    and the sample (see :class:`ViewSeeds`), so that views do not depend on
    workers, processes, wrappers or a restart.

    Args:
        data_root: Folder with images in any nesting. None, as configs without
            a data set have it, is refused.
        ann_file: Optional list: a path (and a class index after a space,
            with ``with_label``) a line.
        split_dir: Folder of ``ann_file``; relative to ``data_root``.
        with_label: Whether folders or the list give classes.
        max_unreadable: Largest share of unreadable files, in [0, 1].
        verify: Read every file, as the pipeline does, when the data set is
            made and leave the unreadable ones out, instead of on first use.
        seed: Seed of the random transforms; None: the run's
            (``randomness.seed``), 0 outside of a run.
        fixed_views: Number of sets of views an image gets; after that many
            epochs they repeat. 0: new views in each epoch.
        repeat: Passes over the images that count as one epoch, each with views
            of its own; for epochs of more steps than images give.
        min_classes: Fewest classes a labelled set must have.
        ignore: Names of files and folders to leave out, or paths relative to
            the folder; they may hold ``*``. What a list names is left out,
            too.
        encoding: Encoding of lists, by default UTF-8, or what a byte order
            mark says.
        classes: Names of the classes, or a file that lists them; by default
            those of ``classes.txt`` beside ``ann_file``, or the folders'.
        metainfo: Metainfo of the data set; its ``classes`` replace
            ``classes``.
        **kwargs: Options of ``CustomDataset``.

    Raises:
        FileNotFoundError: If folder or list is missing.
        ValueError: If there is no image, or a label is out of range.
        TooManyUnreadableError: If more than ``max_unreadable`` are broken.

    Example:
        >>> import cv2, numpy as np
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     black = np.zeros((8, 8, 3), np.uint8)
        ...     for i in range(3):
        ...         saved = cv2.imwrite(f'{folder}/{i}.png', black)
        ...     images = DATASETS.build(
        ...         dict(
        ...             type='mmcvgssl.SurfaceImages',
        ...             data_root=folder,
        ...             pipeline=[dict(type='mmcvgssl.LoadImage')],
        ...         )
        ...     )
        ...     len(images), images[0]['img'].shape
        (3, (8, 8, 3))
    """

    def __init__(
        self,
        data_root: str | None = '',
        ann_file: str = '',
        split_dir: str = '',
        with_label: bool = False,
        max_unreadable: float = 0.1,
        verify: bool = False,
        seed: int | None = None,
        fixed_views: int = 0,
        repeat: int = 1,
        min_classes: int = 2,
        ignore: str | Sequence[str] = (),
        encoding: str = '',
        classes: str | Sequence[str] | None = None,
        metainfo: Mapping[str, Any] | None = None,
        lazy_init: bool = False,
        **kwargs,
    ) -> None:
        if data_root is None:
            raise ValueError(
                'expected the folder of the images as data_root, got none: '
                'give it by --cfg-options data_root=DIR, or a data set of '
                'configs/_base_/datasets as second base of the config'
            )
        if repeat < 1:
            raise ValueError(f'repeat is a number of passes, got {repeat}')
        self.repeat = repeat
        self.unreadable = UnreadableShare(max_unreadable)
        self.verify = verify
        self.views = ViewSeeds(seed, fixed_views, repeat)
        self.min_classes = min_classes
        # an empty pattern ignores nothing
        given = [ignore] if isinstance(ignore, str) else ignore
        self.ignore = [pattern for pattern in given if pattern]
        # counts of images, filled when the list is loaded
        self.contents = Contents('')
        self.encoding = encoding
        kwargs.setdefault('extensions', EXTENSIONS)
        metainfo = dict(metainfo or {})
        classes = metainfo.get('classes', classes)
        if isinstance(classes, str):
            classes = [x.text.strip() for x in read_lines(classes, encoding)]
        if classes is not None:
            metainfo['classes'] = tuple(classes)
            if len(set(classes)) < len(classes):
                raise ValueError(
                    'expected each class once, got classes='
                    f'{", ".join(classes)}; leave the repeated one out'
                )
        super().__init__(
            metainfo=metainfo,
            data_root=data_root,
            ann_file=str(Path(split_dir, ann_file)) if ann_file else '',
            with_label=with_label,
            lazy_init=True,
            **kwargs,
        )
        if not lazy_init:
            self.full_init()

    def full_init(self) -> None:
        """Load the list of images and check it."""
        if self._fully_initialized:
            return
        self._check_paths()
        super().full_init()
        self._count_anew()
        if self.verify:
            self._drop_unreadable()
        self._report()

    def _report(self) -> None:
        """Say what is used and left out."""
        self.contents.log()

    def set_epoch(self, epoch: int) -> None:
        """Choose the random views; call it before each epoch."""
        self.views.set_epoch(epoch)

    def get_subset_(self, indices: Sequence[int] | int) -> None:
        """Reduce the data set to some images."""
        super().get_subset_(indices)
        self._count_anew()

    def get_subset(self, indices: Sequence[int] | int) -> SurfaceImages:
        """Return a data set of some images."""
        subset = super().get_subset(indices)
        subset._count_anew()
        return subset

    @property
    def n_unreadable(self) -> int:
        """How many files have turned out to be unreadable."""
        return self.unreadable.count

    def __len__(self) -> int:
        return self.repeat * self.n_images

    @property
    def n_images(self) -> int:
        """How many images there are, each counted once."""
        return super().__len__()

    def __getitem__(self, idx: int) -> dict:
        idx = self._position(idx)
        # substitutes of an unreadable image depend on the sample, too,
        # whoever has found out that it is one
        self._substitutes = np.random.default_rng(self.views.words(idx))
        return super().__getitem__(idx)

    def _position(self, idx: int) -> int:
        """Count an index from the start; loops need an error at the end."""
        position = idx + len(self) if idx < 0 else idx
        if not 0 <= position < len(self):
            raise IndexError(f'no sample {idx}: there are {len(self)}')
        return position

    def _rand_another(self) -> int:
        return int(self._substitutes.integers(len(self)))

    def prepare_data(self, idx: int) -> dict | None:
        """Run the pipeline on one image; None if it cannot be read."""
        image = idx % self.n_images
        if image in self.unreadable:
            return None
        info = self.get_data_info(image)
        info['view_set'] = self.views.number(idx)
        try:
            with self.views.seeded(idx, guard=not self.test_mode):
                return self.pipeline(info)
        except UnreadableImageError as error:
            if self.test_mode:
                raise
            self.unreadable.mark(image, str(error))
            return None

    def load_data_list(self) -> list[dict]:
        """Read paths and labels and check the classes."""
        source = self.ann_file or str(self._root)
        self.contents = Contents(source)
        data: list[dict]
        if not self.ann_file and not self.with_label:
            root = self._root
            data = [{'img_path': str(root / path)} for path in self._walk()]
        else:
            data = self._load_annotated()
        if not data:
            raise ValueError(
                f'{source}: no images; expected files ending in '
                f'{", ".join(EXTENSIONS)} in this folder or below it, or one '
                f'path a line in a list; {self.contents.left_out_text()}'
            )
        if self.ann_file:
            self._check_listed(data)
        self.contents.used = {'images': len(data)}
        if self.with_label and self.CLASSES:
            counts = Counter(info['gt_label'] for info in data)
            for index, name in enumerate(self.CLASSES):
                self.contents.used[f'of {name}'] = counts[index]
            empty = [n for i, n in enumerate(self.CLASSES) if not counts[i]]
            if empty:
                self.contents.warnings.append(
                    f'classes without an image: {some(empty)}'
                )
        return data

    def _load_annotated(self) -> list[dict]:
        file, root = self.ann_file, self._root
        data: list[dict[str, Any]]
        if self.with_label:
            samples = (
                read_labelled(file, root, self.encoding)
                if file
                else self._find_samples()
            )
        else:  # without a label, as if all had the same
            samples = [(p, 0) for p in read_paths(file, root, self.encoding)]
        out = self._ignored(path for path, _ in samples) if file else set()
        data = [
            {'img_path': str(root / path), 'gt_label': label}
            if self.with_label
            else {'img_path': str(root / path)}
            for path, label in samples
            if path not in out
        ]
        if self.with_label and data:
            found = sorted({info['gt_label'] for info in data})
            if len(found) < self.min_classes:
                raise ValueError(
                    f'{self.ann_file or self.img_prefix}: expected at least '
                    f'{self.min_classes} classes, found {len(found)}; make '
                    'one folder per class, or list "path class_index" lines'
                )
            if self.CLASSES is None:
                named = classes_beside(self.ann_file)
                numbers = tuple(str(i) for i in range(found[-1] + 1))
                self._metainfo['classes'] = named or numbers
        return data

    def _check_listed(self, data: list[dict]) -> None:
        """Refuse a list that does not fit the folder or the classes."""
        paths = [info['img_path'] for info in data]
        twice = check_listed(self.ann_file, '', paths, not self.with_label)
        if twice:
            self.contents.warnings.append(
                f'{some(map(printable, twice), "image")} listed more than '
                'once, and used as often'
            )
        if not self.with_label:
            return
        count = len(self.CLASSES)
        wrong = [d for d in data if not 0 <= d['gt_label'] < count]
        if wrong:
            raise ValueError(
                f'{self.ann_file}: {wrong[0]["img_path"]} has the class '
                f'index {wrong[0]["gt_label"]}, but indices are 0 to '
                f'{count - 1} for {", ".join(self.CLASSES)}; correct the '
                'list or classes'
            )

    @property
    def _root(self) -> Path:
        return Path(self.img_prefix or self.data_root)

    def _walk(self) -> list[str]:
        """Find the images, as paths relative to the folder."""
        found = images_below(
            self._root,
            extensions=self.extensions,
            contents=self.contents,
            ignore=self.ignore,
        )
        warn_of_masks(self._root, found, self.contents)
        warn_of_unused(self.ignore, self._root, self.contents)
        return found

    def _ignored(self, paths: Iterable[str]) -> set[str]:
        """Return those of a list that are to be left out."""
        return ignored_of_list(paths, self._root, self.ignore, self.contents)

    def _find_samples(self) -> list[tuple[str, int]]:
        """Find images in class folders; index classes by their order.

        Raises:
            ValueError: If a folder holds no image, or is not of
                ``classes``.
        """
        found = [(first_folder(path), path) for path in self._walk()]
        counts = Counter(name for name, _ in found)
        self.contents.leave_out(
            'in no class folder', *[path for name, path in found if not name]
        )
        folders = class_folders(self._root, self.ignore, self.CLASSES)
        classes = list(self.CLASSES or folders)
        given = bool(self.CLASSES)
        check_classes(
            self._root, classes, folders, counts, given, self.contents
        )
        if classes:
            self._metainfo['classes'] = tuple(classes)
        self.folder_to_idx = {name: i for i, name in enumerate(classes)}
        return [(p, self.folder_to_idx[name]) for name, p in found if name]

    def _check_paths(self) -> None:
        folder = Path(self.img_prefix or self.data_root or '.')
        if not folder.is_dir():
            raise FileNotFoundError(
                f'no folder {folder}: set data_root to the folder of images '
                '(--cfg-options data_root=DIR)'
            )
        if self.ann_file and not Path(self.ann_file).is_file():
            raise FileNotFoundError(
                f'no list of images {self.ann_file}: make it with '
                'mmcvgssl prepare, or leave ann_file empty to read the '
                'folder'
            )

    def _count_anew(self) -> None:
        self.unreadable.resize(self.n_images)
        self.views.resize(self.n_images)

    def _drop_unreadable(self) -> None:
        step = find_load_image(self.pipeline.transforms)
        check = check_image if step is None else step.check

        def reason(i: int) -> str | None:
            return check(self.get_data_info(i)['img_path'])

        reasons = list(in_threads(reason, range(self.n_images)))
        broken = [i for i, text in enumerate(reasons) if text is not None]
        for i in broken:
            self.unreadable.mark(i, str(reasons[i]))
        if broken:
            paths = [self.get_data_info(i)['img_path'] for i in broken]
            self.contents.leave_out(UNREADABLE, *paths)
            keep = [i for i, text in enumerate(reasons) if text is None]
            self.contents.used = {'images': len(keep)}
            self.get_subset_(keep)
            self.unreadable.leave_out(len(broken))
