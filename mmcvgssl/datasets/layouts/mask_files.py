"""Masks that lie beside their images."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from posixpath import splitext

import cv2
import numpy as np

from mmcvgssl.datasets.contents import Contents
from mmcvgssl.datasets.layouts.good_names import is_of_masks
from mmcvgssl.datasets.reading import UnreadableImageError, read_image
from mmcvgssl.processes import in_threads
from mmcvgssl.utils import evenly, printable, some

AUTO = 'auto'
# what replaces the image's suffix in a mask's name
SUFFIXES = ('_mask.png', '-mask.png', '_gt.png', '_label.png', '.png')
_EXTREME = 0.9  # of a mask's pixels have its lowest or its highest value
_LOOKED_AT = 40  # files that may be masks
_JPEG, _JPEG_NOISE = ('.jpg', '.jpeg'), 12  # grey levels near an edge
_LEVELS = 3  # a photograph has more values
_RATIO = 0.02  # largest difference of aspect ratios
_COPY = 12.0  # mean difference of grey levels of a copy of an image


def pair_masks(files: Collection[str], suffix: str) -> dict[str, str]:
    """Find files that may be masks, by name: the image of each.

    Args:
        files: Paths with /.
        suffix: End of a mask's name, after its image's stem, in small
            letters.
    """
    masks = {path for path in files if has_suffix(path, suffix)}
    if not masks:
        return {}
    images = {
        _without_suffix(path): path for path in files if path not in masks
    }
    return {
        path: images[path[: -len(suffix)]]
        for path in files
        if path in masks and path[: -len(suffix)] in images
    }


def pair_by_usual(
    files: Collection[str],
) -> tuple[dict[str, str], list[str]]:
    """Find masks by the usual ends of their names: the image of each.

    Args:
        files: Paths with /.

    Returns:
        The image of each mask, and the ends that are in use; ``.png`` if
        none is.
    """
    masks: dict[str, str] = {}
    used = []
    for suffix in SUFFIXES:
        images = {*masks.values()}
        pairs = {
            mask: image
            for mask, image in pair_masks(files, suffix).items()
            if mask not in masks and mask not in images and image not in masks
        }
        if pairs:
            used.append(suffix)
        masks |= pairs
    return masks, used or ['.png']


def require_own_masks(
    root: Path, masks: Iterable[tuple[str, str | None]]
) -> None:
    """Refuse images that would share a mask, as one is not of all of them.

    Args:
        root: Folder of the images.
        masks: Each image and its mask, if it has one.

    Raises:
        ValueError: Names the two.
    """
    owners: dict[str, str] = {}
    for path, mask in masks:
        other = owners.setdefault(mask, path) if mask else path
        if other != path:
            raise ValueError(
                f'{root}: {printable(other)} and {printable(path)} would '
                f'share the mask {printable(str(mask))}: rename one of the '
                'two images and its mask, or leave it out by ignore'
            )


def has_suffix(path: str, suffix: str) -> bool:
    """Say whether a name ends as that of a mask."""
    if not path.lower().endswith(suffix.lower()):
        return False
    return len(path.rpartition('/')[2]) > len(suffix)


def look_like_masks(
    root: Path, pairs: Iterable[tuple[str, str | None]]
) -> list[bool]:
    """Say of masks, and of their images if there are any, what they look like.

    A mask has two values, but for a few pixels of an edge, the ratio of
    sides of its image, and does not show the same.
    """
    return list(in_threads(lambda pair: _check(root, *pair), pairs))


def find_masks(root: Path, files: Sequence[str]) -> str | None:
    """Say which files have a mask's name and look like one, if any do.

    A name is that of a mask if it, or that of a folder, speaks of masks, or
    if it has the stem of another file.

    Args:
        root: Folder of the files.
        files: Paths with /.
    """
    pairs: dict[str, str | None] = {}
    stems: dict[str, list[str]] = {}
    for path in files:
        stem = _without_suffix(path)
        stems.setdefault(stem, []).append(path)
        folder, _, name = stem.rpartition('/')
        if _has_masks(folder) or is_of_masks(name):
            pairs[path] = None
    for suffix in SUFFIXES:
        pairs |= pair_masks(files, suffix)
    for same in stems.values():
        if len(same) > 1:
            for path, other in zip(same, [*same[1:], same[0]], strict=True):
                if path != other:
                    pairs.setdefault(path, other)
    names = sorted(pairs)
    shown = [names[i] for i in evenly(len(names), _LOOKED_AT)]
    looks = look_like_masks(root, [(name, pairs[name]) for name in shown])
    like = [name for name, found in zip(shown, looks, strict=True) if found]
    if not like:
        return None
    return (
        f'{some(map(printable, names), "file")} with the name of a mask or '
        f'the stem of another image: {some(map(printable, like))} of '
        f'{len(shown)} that were looked at look like masks'
    )


def warn_of_masks(
    root: Path, files: Sequence[str], contents: Contents
) -> None:
    """Warn of masks that are taken for images.

    Args:
        root: Folder of the files.
        files: All that are taken for images.
        contents: Collects the masks that are left out.
    """
    found = find_masks(root, files)
    if found:
        contents.warnings.append(
            f'{found}, but all are taken for images; leave them out, as by '
            'ignore="*_mask.png", or list the images'
        )


@lru_cache(maxsize=1024)
def _has_masks(folder: str) -> bool:
    """Say whether a name in the path of a folder speaks of masks."""
    return any(map(is_of_masks, folder.split('/')))


def _without_suffix(path: str) -> str:
    return splitext(path)[0]


def _check(root: Path, mask: str, image: str | None) -> bool:
    if image is None:
        return _looks_like_mask(*_file(root / mask))
    return _looks_like_mask(*_file(root / mask), *_file(root / image))


def _file(path: Path) -> tuple[str, int]:
    return str(path), path.stat().st_mtime_ns


@lru_cache(maxsize=100_000)
def _looks_like_mask(
    mask: str, mask_time: int, image: str = '', image_time: int = 0
) -> bool:
    try:
        values = cv2.cvtColor(read_image(mask), cv2.COLOR_BGR2GRAY)
        low, high = int(values.min()), int(values.max())
        near = _JPEG_NOISE if mask.lower().endswith(_JPEG) else 0
        extreme = (values <= low + near) | (values >= high - near)
        if extreme.mean() < _EXTREME:
            return False
        if not image:
            return True
        side = max(values.shape)
        shown = cv2.cvtColor(
            read_image(image, input_size=side), cv2.COLOR_BGR2GRAY
        )
    except UnreadableImageError:
        return False
    ratios = [shape[0] / shape[1] for shape in (values.shape, shown.shape)]
    if abs(ratios[0] / ratios[1] - 1) > _RATIO:
        return False
    size = values.shape[1], values.shape[0]
    level = cv2.resize(shown, size, interpolation=cv2.INTER_AREA)
    if len(np.unique(values)) <= _LEVELS:
        return True
    difference = np.abs(level.astype(np.float32) - values)
    marked = values > low
    return difference.mean() > _COPY or bool(
        marked.any() and difference[marked].mean() > 2 * _COPY
    )
