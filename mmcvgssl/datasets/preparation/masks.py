"""Checking the masks of defective images."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from mmcvgssl.datasets.layouts import DEFECT, Sample
from mmcvgssl.datasets.reading import image_size, read_mask

MISSING, EMPTY, WRONG = 'missing', 'empty', 'wrong'


class MaskFault(NamedTuple):
    """What is wrong with the mask of an image.

    Args:
        kind: ``MISSING``: a defect has none; ``EMPTY``: that of a defect
            shows nothing; ``WRONG``: it is of another size, or shows a
            defect in a good image.
        line: Says so.
    """

    kind: str
    line: str


def look_at_mask(root: Path, sample: Sample) -> MaskFault | None:
    """Say what is wrong with the mask of an image, or nothing.

    Args:
        root: Folder that the paths are relative to.
        sample: The image and its mask.

    Raises:
        UnreadableImageError: If a mask or image cannot be decoded.
        ValueError: If the mask does not say which pixels are the defect.
    """
    defect = sample.label == DEFECT
    if sample.mask is None:
        return MaskFault(MISSING, sample.path) if defect else None
    mask = read_mask(str(root / sample.mask))
    size = image_size(str(root / sample.path))
    if mask.shape != size[::-1]:
        return MaskFault(
            WRONG,
            f'{root / sample.mask}: expected a mask of {size[0]} x '
            f'{size[1]} pixels as {sample.path} has, got '
            f'{mask.shape[1]} x {mask.shape[0]}.',
        )
    if not defect and mask.any():
        return MaskFault(
            WRONG,
            f'{root / sample.mask}: expected an empty mask of the good '
            f'image {sample.path}, got {mask.sum()} pixels.',
        )
    return None if mask.any() or not defect else MaskFault(EMPTY, sample.path)


def mask_notes(
    root: Path, samples: Sequence[Sample], what: str = ''
) -> list[str]:
    """Say which defects lack their mask, or have an empty one.

    Args:
        root: Folder that the paths are relative to.
        samples: Images and masks.
        what: Put before each note.

    Raises:
        UnreadableImageError: If a mask cannot be decoded.
        ValueError: If a mask has another size than its image, or a good
            image has one that is not empty.
    """
    missing: list[str] = []
    empty: list[str] = []
    for sample in samples:
        fault = look_at_mask(root, sample)
        if fault is None:
            continue
        if fault.kind == WRONG:
            raise ValueError(fault.line)
        (missing if fault.kind == MISSING else empty).append(fault.line)
    n = sum(sample.label == DEFECT for sample in samples)
    return [
        f'{what}{len(paths)} of {n} defective images {have}: {_some(paths)}'
        for paths, have in (
            (missing, 'have no mask'),
            (empty, 'have an empty mask'),
        )
        if paths
    ]


def _some(paths: Collection[str], most: int = 3) -> str:
    shown = sorted(paths)[:most]
    return ', '.join(shown) + ' ...' * (len(paths) > most)
