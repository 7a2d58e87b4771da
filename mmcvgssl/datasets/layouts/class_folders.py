"""A folder for good images and one for each defect, with or without masks."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath

from mmcvgssl.datasets.image_folders import first_folder
from mmcvgssl.datasets.layouts.base import (
    DEFECT,
    GOOD,
    Layout,
    Sample,
)

MASK_SUFFIX = '.png'


class FolderLayout(Layout):
    """Good images in any nesting, or a first folder for each class.

    The first folders are classes if one of them has a good name.

    Args:
        files: All images below the root, in order.
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
        good_names: Collection[str],
        extensions: Collection[str],
        files: list[str],
    ) -> None:
        super().__init__(root, good_names, extensions)
        self.files = files
        self.has_classes = any(self.is_good(first_folder(p)) for p in files)

    def walked(self, split: str) -> list[Sample]:
        """Return the good images, or all of them to test on."""
        if not self.files:
            raise self.error(f'{self.root}: no images.')
        if not self.has_classes and split == 'test':
            raise self.error(
                f'{self.root}: no list of images to test on, and no folder '
                f'of good ones ({", ".join(sorted(self.good_names))}). Set '
                'ann_file to a list of lines "path 0" (good) or "path 1".'
            )
        found = [self.describe(path) for path in self.files]
        if split == 'train' and self.has_classes:
            found = [sample for sample in found if sample.label == GOOD]
        where = str(self.root)
        return [self.settle(s.path, s.label, split, where) for s in found]

    def describe(self, path: str) -> Sample:
        """Tell the class by the first folder, where these are classes."""
        folder = first_folder(path)
        if not self.has_classes or not folder:
            return Sample(path, None)
        label = GOOD if self.is_good(folder) else DEFECT
        return Sample(path, label, defect=folder)


class MaskBesideLayout(FolderLayout):
    """A first folder for each class, masks beside their images.

    A mask has its image's stem and the suffix .png, which no image has.
    """

    name = 'mask-beside'
    expected = (
        '  MT_Free/**/*.jpg                     (or another good name)\n'
        '  DEFECT/**/1.jpg DEFECT/**/1.png ...  (image and its mask)'
    )

    def __init__(
        self,
        root: Path,
        good_names: Collection[str],
        extensions: Collection[str],
        files: list[str],
    ) -> None:
        images = [path for path in files if not is_mask(path)]
        super().__init__(root, good_names, extensions, images)
        self.masks = {stem(path): path for path in files if is_mask(path)}

    def walked(self, split: str) -> list[Sample]:
        """Return the good images, or all of them to test on."""
        if self.files and not self.has_classes:
            raise self.error(
                f'{self.root}: .png files beside images of the same stem are '
                'masks, but there is no folder of good images '
                f'({", ".join(sorted(self.good_names))}). Set good_names, or '
                "ann_file to a list, or layout='folder' if these are images."
            )
        return super().walked(split)

    def describe(self, path: str) -> Sample:
        """Tell class and mask."""
        if is_mask(path):
            raise ValueError(
                f'{self.root}: {path} is a mask; list the image beside it'
            )
        mask = self.masks.get(stem(path))
        return super().describe(path)._replace(mask=mask)


def masks_are_beside(files: Iterable[str]) -> bool:
    """Say whether any file is a mask beside its image."""
    files = set(files)
    images = {stem(path) for path in files if not is_mask(path)}
    return any(is_mask(path) and stem(path) in images for path in files)


def is_mask(path: str) -> bool:
    """Say whether a file is a mask, where masks lie beside images."""
    return PurePosixPath(path).suffix.lower() == MASK_SUFFIX


def stem(path: str) -> str:
    """Return the path without its suffix."""
    return PurePosixPath(path).with_suffix('').as_posix()
