"""Names of classes in pictures."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.util import find_spec
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
Area = tuple[int, int, int, int]  # left, top, width, height
_FONT = 'DejaVu Sans'  # of matplotlib
_GOLDEN = 0.618034  # of the circle of colours, so that neighbours differ


def class_colour(index: int) -> Colour:
    """Return a colour for a class, BGR; those of few classes differ much."""
    red, green, blue = colorsys.hsv_to_rgb(0.55 + index * _GOLDEN, 0.9, 1.0)
    return round(255 * blue), round(255 * green), round(255 * red)


def text_height(picture: np.ndarray) -> int:
    """Return a height of letters that can be read, pixels."""
    return max(10, round(max(picture.shape[:2]) / 40))


def write_caption(
    picture: np.ndarray, text: str, corner: tuple[int, int], colour: Colour
) -> None:
    """Write a text on a ground of a colour into a picture.

    Args:
        picture: BGR uint8 [h, w, 3], changed in place.
        text: One line.
        corner: Column and row of its lower left end, pixels; it is moved
            into the picture where it would leave it.
        colour: BGR, of the ground.
    """
    mask = _mask(text, text_height(picture))
    x, y, width, height = _area(picture, mask, corner)
    ink = mask[:height, :width, None] / 255.0
    light = 0.114 * colour[0] + 0.587 * colour[1] + 0.299 * colour[2]
    letters = np.zeros(3) if light > 128 else np.full(3, 255.0)
    ground = np.asarray(colour, np.float64)
    drawn = ink * letters + (1 - ink) * ground
    picture[y : y + height, x : x + width] = drawn.round().astype(np.uint8)


def draw_frames(
    picture: np.ndarray, frames: Sequence[tuple[Sequence[float], str, Colour]]
) -> None:
    """Draw boxes and their captions, none of which covers another.

    A caption is above its box, or else below, beside or in it, where there is
    room; the last one chooses first. Where there is none, captions overlap,
    and later ones are on top.

    Args:
        picture: BGR uint8 [h, w, 3], changed in place.
        frames: x1, y1, x2, y2 in its pixels, one line, and BGR of each.
    """
    thick = max(1, round(max(picture.shape[:2]) / 300))
    boxes = [[round(value) for value in box] for box, _, _ in frames]
    for (x1, y1, x2, y2), (_, _, colour) in zip(boxes, frames, strict=True):
        cv2.rectangle(picture, (x1, y1), (x2 - 1, y2 - 1), colour, thick)
    taken: list[Area] = []
    corners = []
    for box, (_, text, _) in zip(boxes[::-1], frames[::-1], strict=True):
        mask = _mask(text, text_height(picture))
        found = [(_area(picture, mask, c), c) for c in _corners(box, mask)]
        free = (each for each in found if not _covers(each[0], taken))
        area, corner = next(free, found[0])
        taken.append(area)
        corners.append(corner)
    for corner, (_, text, colour) in zip(corners[::-1], frames, strict=True):
        write_caption(picture, text, corner, colour)


def _corners(box: Sequence[int], mask: np.ndarray) -> list[tuple[int, int]]:
    """Return lower left ends of a caption of a box, the best first."""
    x1, y1, x2, y2 = box
    height, width = mask.shape
    return [
        *((x1, y1), (x2 - width, y1), (x1, y2 + height)),
        *((x2 - width, y2 + height), (x1, y1 + height), (x1, y2)),
        *((x2, y1 + height), (x1 - width, y1 + height)),
        *((x2, y2), (x1 - width, y2)),
    ]


def _area(
    picture: np.ndarray, mask: np.ndarray, corner: tuple[int, int]
) -> Area:
    """Return where a caption is written, within a picture."""
    height = min(mask.shape[0], picture.shape[0])
    width = min(mask.shape[1], picture.shape[1])
    x = min(max(corner[0], 0), picture.shape[1] - width)
    y = min(max(corner[1] - height, 0), picture.shape[0] - height)
    return x, y, width, height


def _covers(area: Area, others: Sequence[Area]) -> bool:
    """Whether an area has pixels of another."""
    x, y, width, height = area
    return any(
        x < left + wide
        and left < x + width
        and y < top + high
        and top < y + height
        for left, top, wide, high in others
    )


def can_write(text: str) -> bool:
    """Whether the font has all letters of a text."""
    return all(map(_has_letter, text))


@cache
def _has_letter(letter: str) -> bool:
    file = _font_file()
    if file is not None:
        from matplotlib import font_manager

        return ord(letter) in font_manager.get_font(file).get_charmap()
    # Pillow does not say which it has; it draws the others all alike
    drawn, missing = (_font(20).getmask(c) for c in (letter, '\U0010ffff'))
    return drawn.size != missing.size or bytes(drawn) != bytes(missing)


@cache
def _font_file() -> str | None:
    """Return the file of the font; none where matplotlib is not installed."""
    if find_spec('matplotlib') is None:
        return None
    from matplotlib import font_manager

    return font_manager.findfont(_FONT)


@lru_cache(maxsize=16)
def _font(height: int) -> Any:
    file = _font_file()
    if file is None:  # as where exported models predict: Pillow's own
        return ImageFont.load_default(height)
    return ImageFont.truetype(file, height)


@lru_cache(maxsize=4096)
def _mask(text: str, height: int) -> np.ndarray:
    """Return how dark each pixel of a line is, uint8 [h, w]."""
    font = _font(height)
    rise, fall = font.getmetrics()
    width = round(font.getlength(text)) + height // 2
    image = Image.new('L', (max(width, 1), rise + fall))
    ImageDraw.Draw(image).text((height // 4, 0), text, fill=255, font=font)
    return np.asarray(image)
