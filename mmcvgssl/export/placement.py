"""Where an image lies in the input of an exported detector.

Needs neither torch nor a host.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_ROUNDED: Mapping[str, Callable[[float], int]] = {
    'down': int,
    'half-up': lambda value: int(value + 0.5),
    'half-even': round,
}


@dataclass(frozen=True)
class Placement:
    """An image, scaled, within a larger input.

    Args:
        size: Height and width of the image, pixels.
        scaled: Height and width that it has in the input, pixels.
        corner: Row and column of the input where it begins.
    """

    size: tuple[int, int]
    scaled: tuple[int, int]
    corner: tuple[int, int] = (0, 0)

    def to_image(self, boxes: np.ndarray) -> np.ndarray:
        """Turn x1, y1, x2, y2 [n, 4] of the input into those of the image."""
        (top, left), (height, width) = self.corner, self.size
        factor = [self.scaled[1] / width, self.scaled[0] / height] * 2
        shift = np.asarray([left, top] * 2, np.float32)
        return (boxes - shift) / np.asarray(factor, np.float32)

    def inside(self, boxes: np.ndarray) -> np.ndarray:
        """Cut boxes [n, 4] to the image."""
        height, width = self.size
        return boxes.clip(0, np.asarray([width, height] * 2, np.float32))


def placement_of(
    size: tuple[int, int], steps: Sequence[Mapping[str, Any]]
) -> Placement:
    """Say where an image of a size comes to lie.

    Args:
        size: Height and width, pixels.
        steps: Steps of the metadata, see
            :func:`mmcvgssl.export.preparation.prepare`.
    """
    placement = Placement(size, size)
    for step in steps:
        if step['step'] == 'pad':
            corner = pad_corner(placement.scaled, step)
            placement = Placement(size, placement.scaled, corner)
        elif step['step'] in ('resize', 'fit'):
            scaled = scaled_size(placement.scaled, step)
            placement = Placement(size, scaled)
    return placement


def scaled_size(
    size: tuple[int, int], step: Mapping[str, Any]
) -> tuple[int, int]:
    """Return height and width that a step of resizing makes of a size.

    Args:
        size: Height and width, pixels.
        step: ``resize`` to ``width`` and ``height``, or ``fit`` within
            them, or, if ``turns``, within them either way round, with the
            shape of the image; ``rounds`` is ``down``, ``half-up`` or
            ``half-even``.
    """
    height, width = int(step['height']), int(step['width'])
    if step['step'] == 'resize':
        return height, width
    if step['turns']:
        factor = min(
            max(height, width) / max(size), min(height, width) / min(size)
        )
    else:
        factor = min(height / size[0], width / size[1])
    if not step['enlarges']:
        factor = min(factor, 1.0)
    if factor == 1:
        return size
    rounds = _ROUNDED[step['rounds']]
    return rounds(size[0] * factor), rounds(size[1] * factor)


def pad_corner(
    size: tuple[int, int], step: Mapping[str, Any]
) -> tuple[int, int]:
    """Return row and column where an image of a size begins in the padded.

    Args:
        size: Height and width, pixels.
        step: ``pad`` to ``height`` and ``width``, ``centred`` or not.
    """
    if not step['centred']:
        return 0, 0
    # the smaller half goes above and to the left
    return (
        (int(step['height']) - size[0]) // 2,
        (int(step['width']) - size[1]) // 2,
    )
