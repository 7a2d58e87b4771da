"""The tree of MVTec AD and of the data sets that took it over."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from mmcvgssl.datasets.image_folders import first_folder, images_below
from mmcvgssl.datasets.layouts.base import (
    DEFECT,
    GOOD,
    Layout,
    Sample,
)


class MvtecLayout(Layout):
    """MVTec AD's tree, of one category or several.

    Args:
        categories: Names of the wanted ones; empty: all.
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
        good_names: Collection[str],
        extensions: Collection[str],
        categories: Collection[str] = (),
    ) -> None:
        super().__init__(root, good_names, extensions)
        # name and folder below the root
        found = category_folders(root, self.good_names)
        if not found:
            raise self.error(f'{root}: no MVTec-style category.')
        missing = [name for name in categories if name not in found]
        if missing:
            raise self.error(f'{root}: no category {", ".join(missing)}.')
        self.categories = {k: found[k] for k in categories or found}

    def walked(self, split: str) -> list[Sample]:
        """Return good images to train on, or all of ``test``."""
        samples = []
        for name, prefix in self.categories.items():
            folder = PurePosixPath(prefix, split)
            base = self.root / folder
            paths = images_below(base, (), self.extensions)
            if split == 'train':
                paths = [p for p in paths if self.is_good(first_folder(p))]
            if not paths:
                raise self.error(f'{name}: no images in {base}.')
            for path in paths:
                whole = (folder / path).as_posix()
                samples.append(self.settle(whole, None, split, str(base)))
        return samples

    def describe(self, path: str) -> Sample:
        """Tell category, class and mask."""
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
        base = PurePosixPath(prefix, 'ground_truth')
        for ending in ('_mask.png', '.png'):
            mask = base / image.with_name(f'{image.stem}{ending}')
            if (self.root / mask).is_file():
                return mask.as_posix()
        return None


def category_folders(root: Path, good: Collection[str]) -> dict[str, str]:
    """Find MVTec-style categories: name and folder below the root."""

    def is_category(folder: Path) -> bool:
        train = folder / 'train'
        if train.is_dir() and any(
            path.name.casefold() in good for path in train.iterdir()
        ):
            return True
        names = {path.name for path in folder.iterdir() if path.is_dir()}
        return 'ground_truth' in names or {'train', 'test'} <= names

    if is_category(root):
        return {os.path.basename(os.path.abspath(root)): ''}
    folders = sorted(path for path in root.iterdir() if path.is_dir())
    return {p.name: p.name for p in folders if is_category(p)}
