"""The tree of MVTec AD and of the data sets that took it over."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

from mmcvgssl.datasets.contents import IGNORED, Contents
from mmcvgssl.datasets.files import folders_in
from mmcvgssl.datasets.ignored import ignored_in, is_ignored
from mmcvgssl.datasets.image_folders import (
    OUT_FOLDER,
    first_folder,
    images_below,
)
from mmcvgssl.datasets.layouts.good_names import GoodNames
from mmcvgssl.datasets.layouts.layout import (
    DEFECT,
    GOOD,
    Layout,
    Sample,
)
from mmcvgssl.datasets.layouts.mask_files import AUTO, require_own_masks
from mmcvgssl.utils import printable, some

GROUND_TRUTH = 'ground_truth'
_PARTS = ('train', 'test', GROUND_TRUTH)
_SHOWN = ', '.join(_PARTS)


class MvtecLayout(Layout):
    """MVTec AD's tree, of one category or several.

    Args:
        categories: Names of the wanted ones; empty: all.
        ignore: See :func:`images_below`.
        mask_suffix: End of a mask's name, after its image's stem; ``auto``:
            ``_mask.png`` or ``.png``.
    """

    name = 'mvtec'
    expected = (
        '  CATEGORY/train/good/*.png\n'
        '  CATEGORY/test/good/*.png CATEGORY/test/DEFECT/*.png ...\n'
        '  CATEGORY/ground_truth/DEFECT/*_mask.png\n'
        'or one CATEGORY itself'
    )

    def __init__(
        self,
        root: Path,
        good_names: str | Sequence[str],
        extensions: Collection[str],
        categories: Collection[str] = (),
        contents: Contents | None = None,
        ignore: Collection[str] = (),
        mask_suffix: str = AUTO,
    ) -> None:
        super().__init__(root, good_names, extensions, contents)
        self.ignore = ignore
        self.mask_ends = [mask_suffix]
        if mask_suffix == AUTO:
            self.mask_ends = ['_mask.png', '.png']
        # name and folder below the root
        found = category_folders(root, self.good_names, ignore)
        if not found:
            raise self.error(f'{root}: no MVTec-style category.')
        missing = [name for name in categories if name not in found]
        if missing:
            raise self.error(f'{root}: no category {", ".join(missing)}.')
        self.categories = {k: found[k] for k in categories or found}
        self._others = [*found.values()]

    def walked(
        self, split: str, without: Collection[str] = ()
    ) -> list[Sample]:
        """Return good images to train on, or all of ``test``."""
        samples = []
        self._note_other_folders()
        out = set(without)
        for name, prefix in self.categories.items():
            folder = PurePosixPath(prefix, split)
            paths = [
                path
                for path in self._images(folder)
                if (folder / path).as_posix() not in out
            ]
            if split == 'train':
                paths = self._good(paths, folder)
            if not paths:
                what = f'good images ({self.good_names})'
                what = what if split == 'train' else 'images'
                raise self.error(f'{name}: no {what} in {self.root / folder}.')
            for path in paths:
                whole = (folder / path).as_posix()
                where = str(self.root / folder)
                samples.append(self.settle(whole, None, split, where))
            if split == 'test':
                self._note_masks(name, prefix, samples)
        require_own_masks(self.root, [(s.path, s.mask) for s in samples])
        return samples

    def listed(
        self, file: Path, split: str, encoding: str = ''
    ) -> list[Sample]:
        """Return the images of a list; see :meth:`Layout.listed`."""
        samples = super().listed(file, split, encoding)
        require_own_masks(self.root, [(s.path, s.mask) for s in samples])
        return samples

    def _images(self, folder: PurePosixPath) -> list[str]:
        """List the images below a folder, relative to it."""
        report = Contents('')
        ignore = ignored_in(folder.as_posix(), self.ignore)
        found = images_below(
            self.root / folder, (), self.extensions, report, ignore
        )
        for reason, names in report.left_out.items():
            self.contents.leave_out(reason, *[f'{folder}/{n}' for n in names])
        return found

    def _good(self, paths: list[str], folder: PurePosixPath) -> list[str]:
        """Return images in folders of good ones; refuse those in none.

        Raises:
            ValueError: If an image lies in no folder, or in one whose name
                might be a good one.
        """
        good = [path for path in paths if self.is_good(first_folder(path))]
        rest = [path for path in paths if not self.is_good(first_folder(path))]
        loose = [path for path in rest if not first_folder(path)]
        unclear = self.good_names.unclear(
            sorted({first_folder(path) for path in rest})
        )
        if good and (loose or unclear):
            where = some(map(printable, unclear or loose))
            raise self.error(
                f'{self.root / folder}: are images in {where} good? Move them '
                'into a folder of good ones, name it by good_names, or leave '
                'them out by ignore.'
            )
        self.contents.leave_out(
            'in train, but in no folder of good images',
            *[f'{folder}/{path}' for path in rest],
        )
        return good

    def _note_other_folders(self) -> None:
        """Say which images of the tree are of no category or of no part."""
        strangers = []
        if self._others != ['']:
            strangers = [
                (name, 'category', f'{name}/train/good and {name}/test in it')
                for name in folders_in(self.root)
                if name not in (*self._others, OUT_FOLDER)
            ]
        strangers += [
            (Path(prefix, name).as_posix(), 'part of a category', _SHOWN)
            for prefix in self.categories.values()
            for name in folders_in(self.root / prefix)
            if name not in (*_PARTS, OUT_FOLDER)
        ]
        for folder, what, expected in strangers:
            if is_ignored(PurePosixPath(folder), self.ignore):
                self.contents.leave_out(IGNORED, folder)
                continue
            found = self._images(PurePosixPath(folder))
            if found:
                self.contents.leave_out(
                    f'in no {what}', *[f'{folder}/{p}' for p in found]
                )
                self.contents.warnings.append(
                    f'{some(map(printable, found), "image")} in {folder}/, '
                    f'which is no {what}: expected {expected}'
                )
        unused = [p for p in self._others if p not in self.categories.values()]
        if unused:
            self.contents.notes.append(f'categories not asked for: {unused}')

    def _note_masks(
        self, name: str, prefix: str, samples: list[Sample]
    ) -> None:
        """Warn of masks that belong to no image."""
        folder = PurePosixPath(prefix, GROUND_TRUTH)
        used = {sample.mask for sample in samples}
        paths = [f'{folder}/{p}' for p in images_below(self.root / folder)]
        alone = [path for path in paths if path not in used]
        if alone:
            self.contents.warnings.append(
                f'{name}: {some(map(printable, alone), "mask")} of no image: '
                'a mask has the name of its image and '
                f'{" or ".join(self.mask_ends)}'
            )

    def describe(self, path: str) -> Sample:
        """Return category, class and mask of an image."""
        for name, prefix in self.categories.items():
            parts = PurePosixPath(path).parts
            if prefix and parts[0] != prefix:
                continue
            inner = parts[bool(prefix) :]
            if len(inner) < 3 or inner[0] not in ('train', 'test'):
                break
            folder = inner[1]
            if self.is_good(folder):
                return Sample(path, GOOD, name)
            mask = self._mask(prefix, PurePosixPath(*inner[1:]))
            return Sample(path, DEFECT, name, folder, mask)
        raise self.error(
            f'{self.root}: {path} is not of {", ".join(self.categories)} or '
            'lies in no folder of a class.'
        )

    def _mask(self, prefix: str, image: PurePosixPath) -> str | None:
        base = PurePosixPath(prefix, GROUND_TRUTH)
        for ending in self.mask_ends:
            mask = base / image.with_name(f'{image.stem}{ending}')
            if (self.root / mask).is_file():
                return mask.as_posix()
        return None


def category_folders(
    root: Path, good: GoodNames, ignore: Collection[str] = ()
) -> dict[str, str]:
    """Find MVTec-style categories: name and folder below the root."""

    def is_category(folder: Path) -> bool:
        names = folders_in(folder)
        if 'train' in names and any(
            name in good for name in folders_in(folder / 'train')
        ):
            return True
        return GROUND_TRUTH in names or {'train', 'test'} <= {*names}

    if is_category(root):
        return {os.path.basename(os.path.abspath(root)): ''}
    folders = [
        name
        for name in folders_in(root)
        if not is_ignored(PurePosixPath(name), ignore)
    ]
    return {name: name for name in folders if is_category(root / name)}
