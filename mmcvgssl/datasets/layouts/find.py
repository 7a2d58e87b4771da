"""Choosing the layout of a folder."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from mmcvgssl.datasets.image_folders import images_below
from mmcvgssl.datasets.layouts.base import Layout
from mmcvgssl.datasets.layouts.class_folders import (
    FolderLayout,
    MaskBesideLayout,
    masks_are_beside,
)
from mmcvgssl.datasets.layouts.mvtec import MvtecLayout, category_folders

NAMES = (MvtecLayout.name, MaskBesideLayout.name, FolderLayout.name)


def find_layout(
    name: str,
    root: Path,
    good_names: Collection[str],
    extensions: Collection[str],
    categories: Collection[str] = (),
) -> Layout:
    """Return the layout of a name, or with ``auto`` the one there is.

    Args:
        name: One of ``NAMES``, or ``auto``.
        root: Folder of the images.
        good_names: See :class:`Layout`, as ``extensions``.
        extensions: Of image files.
        categories: See :class:`MvtecLayout`.

    Raises:
        ValueError: If the name is unknown or the tree is not as expected.
    """
    if name not in ('auto', *NAMES):
        raise ValueError(
            f'layout is one of auto, {", ".join(NAMES)}, got {name!r}'
        )
    good = {word.casefold() for word in good_names}
    if name == 'auto' and (categories or category_folders(root, good)):
        name = MvtecLayout.name
    if name == MvtecLayout.name:
        return MvtecLayout(root, good_names, extensions, categories)
    if categories:
        raise ValueError(
            f'categories are those of an MVTec-style tree; layout {name!r} '
            'has none: leave them out'
        )
    files = images_below(root, (), extensions)
    if name == MaskBesideLayout.name or (
        name == 'auto' and masks_are_beside(files)
    ):
        return MaskBesideLayout(root, good_names, extensions, files)
    return FolderLayout(root, good_names, extensions, files)
