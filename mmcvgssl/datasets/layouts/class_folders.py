"""A folder for good images and one for each defect, with or without masks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from posixpath import splitext

from mmcvgssl.datasets.contents import Contents
from mmcvgssl.datasets.image_folders import PART_NAMES
from mmcvgssl.datasets.layouts.good_names import MASKS, is_bad
from mmcvgssl.datasets.layouts.layout import DEFECT, GOOD, Layout, Sample
from mmcvgssl.datasets.layouts.mask_files import (
    AUTO,
    find_masks,
    has_suffix,
    look_like_masks,
    pair_by_usual,
    pair_masks,
    require_own_masks,
)
from mmcvgssl.utils import printable, some

ORPHAN = 'a mask without an image'
_SET = (
    'set good_names to the names of the folders of good images, or to "*" if '
    'all images are good (--cfg-options good_names=NAME)'
)


class FolderLayout(Layout):
    """Good images in any nesting, or a first folder for each class.

    Folders are classes if one of them has a good name; folders around all
    images are looked through.

    Args:
        files: All images below the root, in order.
        guessed: Whether nobody has said that all of them are images.
    """

    name = 'folder'
    expected = (
        '  **/*.png                   (good images alone, to train on)\n'
        'or\n'
        '  good/**/*.png DEFECT/**/*.png ...'
    )

    def __init__(
        self,
        root: Path,
        good_names: str | Sequence[str],
        extensions: Collection[str],
        files: list[str],
        contents: Contents | None = None,
        guessed: bool = False,
    ) -> None:
        super().__init__(root, good_names, extensions, contents)
        self.files = files
        self._guessed = guessed
        self._level = self._find_level()
        self.has_classes = any(
            self.is_good(self._folder(path)) for path in files
        )

    def walked(
        self, split: str, without: Collection[str] = ()
    ) -> list[Sample]:
        """Return the good images, or all of them to test on."""
        if not self.files:
            raise self.error(
                f'{self.root}: no images; {self.contents.left_out_text()}.'
            )
        if not self.has_classes and split == 'test':
            raise self.error(
                f'{self.root}: no list of images to test on, and no folder '
                f'of good ones ({self.good_names}). Set ann_file to a list '
                'of lines "path 0" (good) or "path 1", or good_names.'
            )
        out = set(without)
        files = [path for path in self.files if path not in out]
        self._check_folders(files)
        masks = find_masks(self.root, files) if self._guessed else None
        if masks:
            raise self.error(
                f'{self.root}: {masks}, but which images they belong to is '
                'not clear. Set mask_suffix to what follows the stem of an '
                "image in the name of its mask, layout='folder' if they are "
                'images, or leave them out by ignore (--cfg-options '
                'ignore=masks).'
            )
        found = [self.describe(path) for path in files]
        if split == 'train' and self.has_classes:
            bad = [sample.path for sample in found if sample.label == DEFECT]
            self.contents.leave_out('defective by folder', *bad)
            found = [sample for sample in found if sample.label == GOOD]
        where = str(self.root)
        return [self.settle(s.path, s.label, split, where) for s in found]

    def describe(self, path: str) -> Sample:
        """Return the class by the first folder, where these are classes."""
        folder = self._folder(path)
        if not self.has_classes:
            return Sample(path, None)
        if self.is_good(folder):
            return Sample(path, GOOD, defect=folder)
        if not folder:
            return Sample(path, None)
        return Sample(path, DEFECT, defect=folder)

    def _find_level(self) -> int:
        """Count the folders around all images that are no classes."""
        parents = [PurePosixPath(path).parts[:-1] for path in self.files]
        level = 0
        while parents and all(len(part) > level + 1 for part in parents):
            names = {part[level] for part in parents}
            if len(names) > 1 or self.is_good(*names):
                return level
            level += 1
        # without classes further in, the first folders are what is asked for
        if any(
            len(part) > level and self.is_good(part[level]) for part in parents
        ):
            return level
        return 0

    def _folder(self, path: str) -> str:
        """Return the folder that stands for a class, empty if none."""
        parts = PurePosixPath(path).parts[:-1]
        return parts[self._level] if len(parts) > self._level else ''

    def _check_folders(self, files: Sequence[str]) -> None:
        """Refuse guesses that would turn defects into good images.

        Raises:
            ValueError: Names the folders.
        """
        counts = Counter(self._folder(path) for path in files)
        folders = sorted(name for name in counts if name)
        loose = [path for path in files if not self._folder(path)]
        inner = {
            (self._folder(path), name)
            for path in files
            for name in PurePosixPath(path).parts[self._level + 1 : -1]
        }
        if self.has_classes:
            self._check_classes(folders, loose)
            self._check_inner(inner)
            good = [name for name in folders if self.is_good(name)]
            counted = [f'{name or "all"} ({counts[name]})' for name in good]
            bad = [f'{n} ({counts[n]})' for n in folders if n not in good]
            self.contents.notes.append(
                f'good by the names of folders: {", ".join(counted) or "all"}'
                f'; defective: {", ".join(bad) or "none"}; good_names says '
                'which are good'
            )
            return
        if not folders:
            return
        if not self.good_names.guessed:
            raise self.error(
                f'{self.root}: no folder of good images is named '
                f'{self.good_names}; found {", ".join(folders)}. {_SET}.'
            )
        recognised = self.good_names.recognised(
            {*folders, *(name for _, name in inner)}
        )
        if len(folders) > 1 or loose or recognised:
            beside = f' beside {some(loose, "image")}' if loose else ''
            names = ', '.join(sorted({*folders, *recognised}))
            raise self.error(
                f'{self.root}: which images are good? No folder has a usual '
                f'name of good ones, found {names}{beside}. {_SET}.'
            )
        self.contents.notes.append(
            f'all images are taken for good ones, those in {folders[0]}; '
            'good_names says which are good'
        )

    def _check_classes(
        self, folders: Sequence[str], loose: Sequence[str]
    ) -> None:
        """Refuse folders of classes beside what is none."""
        others = [name for name in folders if not self.is_good(name)]
        for names, what in (
            (PART_NAMES, 'a part of a data set'),
            (MASKS, 'masks'),
        ):
            odd = [name for name in others if name.casefold() in names]
            if odd:
                raise self.error(
                    f'{self.root}: {", ".join(odd)} beside folders of good '
                    f'images has the name of {what}, not of a defect. Rename '
                    'it, leave it out by ignore, or arrange the tree as that '
                    'of MVTec AD.'
                )
        unclear = self.good_names.unclear(others)
        if unclear:
            raise self.error(
                f'{self.root}: are the images in {", ".join(unclear)} good or '
                f'defective? {_SET}, all of them.'
            )
        if loose and not self.is_good(''):
            raise self.error(
                f'{self.root}: {some(map(printable, loose), "image")} in no '
                f'folder, beside the folders {", ".join(folders)}: good or '
                'defective? Move them into one, leave them out by ignore, or '
                'set ann_file to a list.'
            )
        unmatched = self.good_names.unmatched(['', *folders])
        if unmatched:
            self.contents.warnings.append(
                f'no folder is named {", ".join(unmatched)}, as good_names '
                f'says; found {", ".join(folders)}'
            )

    def _check_inner(self, inner: set[tuple[str, str]]) -> None:
        """Refuse a folder in one of the other class by its name."""
        if not self.good_names.guessed:
            return
        odd = sorted(
            f'{folder}/**/{name}'
            for folder, name in inner
            if (is_bad(name) if self.is_good(folder) else self.is_good(name))
        )
        if odd:
            raise self.error(
                f'{self.root}: {", ".join(odd)}: the names of both folders '
                'name classes, and not the same one. Move the inner one, or '
                'set good_names to confirm the outer ones (--cfg-options '
                'good_names=NAME).'
            )


class MaskBesideLayout(FolderLayout):
    """A first folder for each class, masks beside their images.

    A mask has its image's stem and a suffix that no image has.

    Args:
        mask_suffix: End of a mask's name, after the image's stem; ``auto``:
            one of the usual ones.
        masks: Image of each mask; by default, by the suffix.
        guessed: See :class:`FolderLayout`.
    """

    name = 'mask-beside'
    expected = (
        '  MT_Free/**/*.jpg                     (or another good name)\n'
        '  DEFECT/**/1.jpg DEFECT/**/1.png ...  (image and its mask)'
    )

    def __init__(
        self,
        root: Path,
        good_names: str | Sequence[str],
        extensions: Collection[str],
        files: list[str],
        contents: Contents | None = None,
        mask_suffix: str = '.png',
        masks: Mapping[str, str] | None = None,
        guessed: bool = False,
    ) -> None:
        self._alone, self._suffixes = [], [mask_suffix]
        if masks is None:
            if mask_suffix == AUTO:
                masks, self._suffixes = pair_by_usual(files)
            else:
                masks = pair_masks(files, mask_suffix)
            known = {*masks, *masks.values()}
            self._alone = [
                path
                for path in files
                if path not in known
                and any(has_suffix(path, s) for s in self._suffixes)
            ]
        alone = self._alone
        self._mask_files = {*masks, *alone}
        images = [path for path in files if path not in self._mask_files]
        super().__init__(
            root, good_names, extensions, images, contents, guessed
        )
        self.masks = {image: mask for mask, image in masks.items()}
        by_stem = {splitext(image)[0]: m for image, m in self.masks.items()}
        require_own_masks(
            root, [(path, by_stem.get(splitext(path)[0])) for path in images]
        )

    def walked(
        self, split: str, without: Collection[str] = ()
    ) -> list[Sample]:
        """Return the good images, or all of them to test on."""
        self._check_alone()
        if self.files and not self.has_classes:
            raise self.error(
                f'{self.root}: .png files beside images of the same stem are '
                'masks, but there is no folder of good images '
                f'({self.good_names}). Set good_names, or ann_file to a '
                "list, or layout='folder' if these are images."
            )
        return super().walked(split, without)

    def describe(self, path: str) -> Sample:
        """Return class and mask of an image."""
        if path in self._mask_files:
            raise ValueError(
                f'{self.root}: {path} is a mask; list the image beside it'
            )
        mask = self.masks.get(path)
        return super().describe(path)._replace(mask=mask)

    def _check_alone(self) -> None:
        """Leave out masks without an image, but no image for a mask.

        Raises:
            ValueError: If a file of a mask's name does not look like one.
        """
        pairs = [(path, None) for path in self._alone]
        looks = zip(
            self._alone, look_like_masks(self.root, pairs), strict=True
        )
        images = [path for path, found in looks if not found]
        if images:
            raise ValueError(
                f'{self.root}: {some(map(printable, images), "file")} would '
                'be left out: in layout mask-beside what ends in '
                f'{" or ".join(self._suffixes)} is a mask, but these have '
                'no image beside them and do not look like masks. Set '
                "layout='folder' or mask_suffix, or leave them out by ignore."
            )
        self.contents.leave_out(ORPHAN, *self._alone)
