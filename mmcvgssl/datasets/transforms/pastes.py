"""Pasting a piece of an image elsewhere into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from mmcvgssl.datasets.transforms.fast_color_jitter import jitter_of


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

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Paste into a copy of an image.

        Args:
            image: BGR uint8 [H, W, 3].

        Returns:
            The copy, and the mask uint8 [H, W] of what was pasted (1).
        """
        size = self._size(*image.shape[:2])
        patch = self.jitter.jitter(_cut(image, size))
        return _paste(image, patch, np.ones(size, np.uint8))

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

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Paste into a copy of an image, as :class:`RectanglePaste`."""
        height, width = image.shape[:2]
        scale = min(height, width) / self.side
        size = (
            _pixels(np.random.uniform(*self.heights) * scale, height),
            _pixels(np.random.uniform(*self.widths) * scale, width),
        )
        patch = self.jitter.jitter(_cut(image, size))
        angle = np.random.uniform(*self.rotation)
        return _paste(image, *_rotate(patch, angle))

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(widths={self.widths}, heights='
            f'{self.heights}, rotation={self.rotation}, patch_jitter='
            f'{self.jitter}, side={self.side})'
        )


class EitherPaste:
    """One of several pastes, with equal chances.

    Args:
        pastes: They take and return what :class:`RectanglePaste` does.
    """

    def __init__(self, *pastes: RectanglePaste | ScarPaste) -> None:
        self.pastes = pastes

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Paste into a copy of an image, as :class:`RectanglePaste`."""
        return self.pastes[np.random.randint(len(self.pastes))](image)

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


def _cut(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Cut a rectangle of this height and width out, anywhere."""
    y, x = _random_corner(image, size)
    return image[y : y + size[0], x : x + size[1]]


def _random_corner(
    image: np.ndarray, size: tuple[int, int]
) -> tuple[int, int]:
    return (
        np.random.randint(image.shape[0] - size[0] + 1),
        np.random.randint(image.shape[1] - size[1] + 1),
    )


def _paste(
    image: np.ndarray, patch: np.ndarray, shape: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Paste a patch [h, w, 3] anywhere, where its shape [h, w] is 1.

    What is larger than the image loses its borders.
    """
    size = image.shape[:2]
    patch, shape = _middle(patch, *size), _middle(shape, *size)
    height, width = shape.shape
    y, x = _random_corner(image, (height, width))
    pasted, mask = image.copy(), np.zeros(size, np.uint8)
    mask[y : y + height, x : x + width] = shape
    window = pasted[y : y + height, x : x + width]
    np.copyto(window, patch, where=shape[..., None] > 0)
    return pasted, mask


def _middle(array: np.ndarray, height: int, width: int) -> np.ndarray:
    """Cut an array down to a height and width, where it exceeds them."""
    y = max(array.shape[0] - height, 0) // 2
    x = max(array.shape[1] - width, 0) // 2
    return array[y : y + height, x : x + width]


def _rotate(patch: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Rotate a patch [h, w, 3]; return it and its shape, 1 inside, 0 around.

    The box around it is larger by even numbers, so that the middle stays on
    the grid: no blur without a rotation, and a scar of one pixel does not
    vanish.
    """
    height, width = patch.shape[:2]
    cos, sin = (abs(f(np.radians(angle))) for f in (np.cos, np.sin))
    grow_x = int(np.ceil((width * cos + height * sin - width) / 2))
    grow_y = int(np.ceil((width * sin + height * cos - height) / 2))
    middle = (width - 1) / 2, (height - 1) / 2
    turn: np.ndarray = cv2.getRotationMatrix2D(middle, angle, 1)
    turn[:, 2] += grow_x, grow_y
    box = width + 2 * grow_x, height + 2 * grow_y
    # repeated edges avoid black borders
    turned = cv2.warpAffine(
        patch,
        turn,
        box,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    shape = np.ones((height, width), np.uint8)
    return turned, cv2.warpAffine(shape, turn, box, flags=cv2.INTER_NEAREST)
