"""Checking the masks of defective images."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from mmcvgssl.datasets.layouts import DEFECT, Sample
from mmcvgssl.datasets.reading import image_size, read_mask


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
    missing, empty = [], []
    for sample in samples:
        if sample.mask is None:
            if sample.label == DEFECT:
                missing.append(sample.path)
            continue
        mask = read_mask(str(root / sample.mask))
        size = image_size(str(root / sample.path))
        if mask.shape != size[::-1]:
            raise ValueError(
                f'{root / sample.mask}: expected a mask of {size[0]} x '
                f'{size[1]} pixels as {sample.path} has, got '
                f'{mask.shape[1]} x {mask.shape[0]}.'
            )
        if sample.label != DEFECT and mask.any():
            raise ValueError(
                f'{root / sample.mask}: expected an empty mask of the good '
                f'image {sample.path}, got {mask.sum()} pixels.'
            )
        if sample.label == DEFECT and not mask.any():
            empty.append(sample.path)
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
