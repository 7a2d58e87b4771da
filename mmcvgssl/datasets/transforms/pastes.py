"""Which piece of an image is pasted elsewhere into it, at random."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mmcvgssl.datasets.transforms.fast_color_jitter import (
    FastColorJitter,
    jitter_of,
)
from mmcvgssl.datasets.transforms.pasting import Pasting, grown


class RectanglePaste:
    """Copy a rectangle of an image, jitter its colours, paste it anywhere.

    Source: "CutPaste: Self-Supervised Learning for Anomaly Detection and
    Localization", https://arxiv.org/abs/2104.04015.

    Numbers are drawn from numpy's global generator. In an image too long for
    an aspect, the nearest aspect is taken with which the area fits.

    Args:
        area: Least and largest share of the image's area, in (0, 1].
        aspect: Least and largest width over height, drawn log-uniformly.
        patch_jitter: Jitter of brightness, contrast, saturation and hue of
            what is pasted: a number, or options of :class:`FastColorJitter`.

    Raises:
        ValueError: If a range makes no sense.
    """

    def __init__(
        self,
        area: Sequence[float] = (0.02, 0.15),
        aspect: Sequence[float] = (0.3, 1 / 0.3),
        patch_jitter: float | Mapping = 0.1,
    ) -> None:
        self.area = _range('area', area, most=1)
        self.aspect = _range('aspect', aspect)
        self.jitter = jitter_of(patch_jitter)

    def draw(self, size: tuple[int, int]) -> Pasting:
        """Draw a paste.

        Args:
            size: Height and width of the image.
        """
        return _draw(size, self._size(*size), self.jitter)

    def _size(self, height: int, width: int) -> tuple[int, int]:
        """Draw height and width in pixels."""
        share = np.random.uniform(*self.area)
        # with which the rectangle is as high or as wide as the image
        fits = share * width / height, width / (share * height)
        low, high = np.log(np.clip(self.aspect, *fits))
        aspect = np.exp(np.random.uniform(low, high))
        area = share * height * width
        return (
            _pixels(np.sqrt(area / aspect), height),
            _pixels(np.sqrt(area * aspect), width),
        )

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(area={self.area}, aspect={self.aspect}, '
            f'patch_jitter={self.jitter})'
        )


class ScarPaste:
    """Copy a thin rectangle, jitter its colours, paste it rotated anywhere.

    Source: as :class:`RectanglePaste`. Sizes are in pixels of an image whose
    shorter side has ``side`` pixels, and grow and shrink with the image.

    Args:
        widths: Least and largest width.
        heights: Least and largest height.
        rotation: Least and largest angle in degrees, anticlockwise.
        patch_jitter: See :class:`RectanglePaste`.
        side: Shorter side of the images that widths and heights are for.

    Raises:
        ValueError: If a range makes no sense.
    """

    def __init__(
        self,
        widths: Sequence[float] = (2, 16),
        heights: Sequence[float] = (10, 25),
        rotation: Sequence[float] = (-45, 45),
        patch_jitter: float | Mapping = 0.1,
        side: float = 256,
    ) -> None:
        self.widths = _range('widths', widths)
        self.heights = _range('heights', heights)
        self.rotation = _range('rotation', rotation, -360, 360)
        self.jitter = jitter_of(patch_jitter)
        self.side, _ = _range('side', (side, side))

    def draw(self, size: tuple[int, int]) -> Pasting:
        """Draw a paste, as :class:`RectanglePaste`."""
        height, width = size
        scale = min(height, width) / self.side
        piece = (
            _pixels(np.random.uniform(*self.heights) * scale, height),
            _pixels(np.random.uniform(*self.widths) * scale, width),
        )
        return _draw(size, piece, self.jitter, self.rotation)

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(widths={self.widths}, heights='
            f'{self.heights}, rotation={self.rotation}, patch_jitter='
            f'{self.jitter}, side={self.side})'
        )


class EitherPaste:
    """One of several pastes, with equal chances.

    Args:
        pastes: They draw what :class:`RectanglePaste` does.
    """

    def __init__(self, *pastes: RectanglePaste | ScarPaste) -> None:
        self.pastes = pastes

    def draw(self, size: tuple[int, int]) -> Pasting:
        """Draw a paste, as :class:`RectanglePaste`."""
        return self.pastes[np.random.randint(len(self.pastes))].draw(size)

    def __repr__(self) -> str:
        return f'{type(self).__name__}{self.pastes}'


Paste = RectanglePaste | ScarPaste | EitherPaste


def _range(
    name: str,
    values: Sequence[float],
    least: float = 1e-6,
    most: float = float('inf'),
) -> tuple[float, float]:
    low, high = values
    if not least <= low <= high <= most:
        bounds = 'above 0' if least > 0 else f'of at least {least}'
        raise ValueError(
            f'{name} is a range (least, largest) {bounds} and at most {most}, '
            f'got {tuple(values)}'
        )
    return float(low), float(high)


def _pixels(length: float, most: int) -> int:
    return min(max(round(float(length)), 1), most)


def _draw(
    size: tuple[int, int],
    piece: tuple[int, int],
    jitter: FastColorJitter,
    rotation: tuple[float, float] | None = None,
) -> Pasting:
    """Draw where a piece of a height and width comes from and goes to.

    Args:
        size: Height and width of the image.
        piece: Those of the piece.
        jitter: Draws its colours.
        rotation: Range of its angle; None: it is not turned.
    """
    top, left = _corner(size, piece)
    colours = jitter.draw()
    angle, grow = 0.0, (0, 0)
    if rotation is not None:
        angle = float(np.random.uniform(*rotation))
        grow = grown(piece, angle)
    # what is larger than the image loses its borders
    sides = [p + 2 * g for p, g in zip(piece, grow, strict=True)]
    y, x = _corner(size, (min(sides[0], size[0]), min(sides[1], size[1])))
    lost = [
        max(side - most, 0) // 2
        for side, most in zip(sides, size, strict=True)
    ]
    corner = y - lost[0] + grow[0], x - lost[1] + grow[1]
    return Pasting((top, left, *piece), colours, angle, corner)


def _corner(size: tuple[int, int], piece: tuple[int, int]) -> tuple[int, int]:
    """Draw where a piece of a height and width lies in an image."""
    return (
        np.random.randint(size[0] - piece[0] + 1),
        np.random.randint(size[1] - piece[1] + 1),
    )
