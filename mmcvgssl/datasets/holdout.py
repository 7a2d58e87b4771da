"""Held-out good images for thresholds."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from mmcvgssl.datasets.preparation.splits import stratified_split

# parts of a data set: images to learn from, or the held-out ones
LEARN, HELD_OUT = 'learn', 'held-out'


def divide(
    names: Sequence[str],
    strata: Sequence[Hashable],
    share: float,
    seed: int,
    part: str,
) -> list[int]:
    """Return the indices of one part of the images.

    The division depends on the names, the share and the seed alone, whatever
    the order of the names, so that training, fitting and measuring agree.

    Args:
        names: Names of the images.
        strata: Group of each image, such as its category; each is divided
            by itself.
        share: Held out, in (0, 1).
        seed: Seed of the draw.
        part: ``LEARN`` or ``HELD_OUT``.

    Raises:
        ValueError: If the share is out of range.
    """
    order = sorted(range(len(names)), key=lambda i: names[i])
    parts = stratified_split([strata[i] for i in order], share, seed)
    chosen = parts[0 if part == LEARN else 1]
    return sorted(order[i] for i in chosen)
