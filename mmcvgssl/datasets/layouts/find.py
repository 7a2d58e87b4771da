"""Detection of the layout of a folder."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from mmcvgssl.datasets.contents import Contents
from mmcvgssl.datasets.files import folders_in
from mmcvgssl.datasets.image_folders import images_below, layout_error
from mmcvgssl.datasets.layouts.class_folders import (
    FolderLayout,
    MaskBesideLayout,
)
from mmcvgssl.datasets.layouts.good_names import GoodNames
from mmcvgssl.datasets.layouts.layout import Layout
from mmcvgssl.datasets.layouts.mask_files import (
    AUTO,
    SUFFIXES,
    has_suffix,
    look_like_masks,
    pair_masks,
)
from mmcvgssl.datasets.layouts.mvtec import MvtecLayout, category_folders
from mmcvgssl.utils import printable, some

NAMES = (MvtecLayout.name, MaskBesideLayout.name, FolderLayout.name)
_SET = (
    "Set layout='mask-beside' if these are masks and layout='folder' if they "
    'are images (--cfg-options layout=folder), or leave them out by ignore.'
)


def find_layout(
    name: str,
    root: Path,
    good_names: str | Sequence[str],
    extensions: Collection[str],
    categories: Collection[str] = (),
    contents: Contents | None = None,
    ignore: Collection[str] = (),
    mask_suffix: str = AUTO,
) -> Layout:
    """Return the layout of a name, or with ``auto`` the one there is.

    Args:
        name: One of ``NAMES``, or ``auto``.
        root: Folder of the images.
        good_names: See :class:`Layout`, as ``extensions``.
        extensions: Suffixes of image files.
        categories: See :class:`MvtecLayout`.
        contents: Collects what is guessed and left out.
        ignore: See :func:`images_below`.
        mask_suffix: End of a mask's name, after its image's stem;
            ``auto``: ``_mask.png``, ``.png`` and their like, if what ends
            so looks like a mask, or is named by ``mask-beside``.

    Raises:
        ValueError: If the name is unknown, or takes no ``mask_suffix``, the
            tree is not as expected, or a guess would take images for masks
            or the reverse.
    """
    if name not in ('auto', *NAMES):
        raise ValueError(
            f'layout is one of auto, {", ".join(NAMES)}, got {name!r}'
        )
    if name == FolderLayout.name and mask_suffix != AUTO:
        raise ValueError(
            f'layout={name!r} takes all files for images, so that '
            f'mask_suffix={mask_suffix!r} would do nothing: leave one of them '
            f'out, or set layout={MaskBesideLayout.name!r}'
        )
    report = contents if contents is not None else Contents(str(root))
    good = GoodNames(good_names)
    if name == MvtecLayout.name or (
        name == 'auto' and (categories or _is_mvtec(root, good, ignore))
    ):
        return MvtecLayout(
            root,
            good_names,
            extensions,
            categories,
            report,
            ignore,
            mask_suffix,
        )
    if categories:
        raise ValueError(
            f'categories are those of an MVTec-style tree; layout {name!r} '
            'has none: leave them out'
        )
    files = images_below(root, (), extensions, report, ignore)
    if name == FolderLayout.name:
        return FolderLayout(root, good_names, extensions, files, report)
    if name == MaskBesideLayout.name or mask_suffix != AUTO:
        return MaskBesideLayout(
            root, good_names, extensions, files, report, mask_suffix
        )
    masks = _find_masks(root, files, report)
    if masks:
        return MaskBesideLayout(
            root,
            good_names,
            extensions,
            files,
            report,
            masks=masks,
            guessed=True,
        )
    return FolderLayout(root, good_names, extensions, files, report, True)


def _is_mvtec(root: Path, good: GoodNames, ignore: Collection[str]) -> bool:
    """Whether a tree is like that of MVTec AD, and like no other.

    Raises:
        ValueError: If there are folders of good images beside categories.
    """
    found = category_folders(root, good, ignore)
    beside = [
        name
        for name in folders_in(root)
        if name in good and name not in found and images_below(root / name)
    ]
    if found and beside:
        raise layout_error(
            root,
            MvtecLayout.expected,
            f'{root}: {", ".join(beside)} holds good images by its name, but '
            f'{", ".join(found)} is a category of an MVTec-style tree. Move '
            "one of them, or set layout='folder' or layout='mvtec'.",
        )
    return bool(found)


def _find_masks(
    root: Path, files: list[str], contents: Contents
) -> dict[str, str]:
    """Find masks by name and look: the image of each.

    Raises:
        ValueError: If some files look like masks where others of such names
            do not, or have no image.
    """
    masks: dict[str, str] = {}
    images: list[str] = []
    used = []
    for suffix in SUFFIXES:
        pairs = {
            mask: image
            for mask, image in pair_masks(files, suffix).items()
            if mask not in masks and image not in masks
        }
        looks = look_like_masks(root, pairs.items())
        like = [m for m, found in zip(pairs, looks, strict=True) if found]
        if like:
            used.append(suffix)
        masks |= {mask: pairs[mask] for mask in like}
        images += [mask for mask in pairs if mask not in masks]
    if masks and images:
        raise ValueError(
            f'{root}: {some(map(printable, images), "file")} beside an image '
            'of the same stem does not look like a mask, but '
            f'{some(map(printable, masks))} does. {_SET}'
        )
    if images:
        contents.warnings.append(
            f'{some(map(printable, images), "file")} beside another of the '
            'same stem is taken for an image, not for a mask, by what it '
            "looks like; layout='mask-beside' takes all of them for masks"
        )
    alone = [
        path
        for path in files
        if path not in masks and any(has_suffix(path, s) for s in used)
    ]
    looks = look_like_masks(root, [(path, None) for path in alone])
    odd = [path for path, found in zip(alone, looks, strict=True) if found]
    if odd:
        raise ValueError(
            f'{root}: {some(map(printable, odd), "file")} looks like a mask, '
            f'but no image is beside it. {_SET}'
        )
    if masks:
        report = contents.warnings if alone else contents.notes
        report.append(
            f'{some(map(printable, masks), "file")} beside an image is taken '
            f'for its mask, {len(alone)} of the same suffix for images, by '
            "what they look like; layout='folder' takes all for images"
        )
    return masks
