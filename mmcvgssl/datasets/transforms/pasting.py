"""A piece of an image that is pasted elsewhere into it, and how."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from mmcvgssl.datasets.transforms.colours import Colours


class Pasting(NamedTuple):
    """What was drawn for one paste into an image.

    Args:
        box: Top, left, height and width of the piece in pixels.
        colours: How its colours change.
        angle: By which it is turned about its middle, degrees anticlockwise.
        corner: Row and column of the upper left corner of the piece where it
            is pasted, before it is turned; may lie outside of the image.
    """

    box: tuple[int, int, int, int]
    colours: Colours
    angle: float
    corner: tuple[int, int]

    def paint(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Paste into a copy of an image.

        What would lie outside of the image is cut off.

        Args:
            image: BGR uint8 [H, W, 3].

        Returns:
            The copy, and the mask uint8 [H, W] of what was pasted (1).
        """
        top, left, height, width = self.box
        piece = image[top : top + height, left : left + width]
        piece = self.colours.paint(piece)
        shape = np.ones((height, width), np.uint8)
        y, x = self.corner
        if self.angle:
            grow_y, grow_x = grown((height, width), self.angle)
            piece, shape = _turn(piece, shape, self.angle, (grow_y, grow_x))
            y, x = y - grow_y, x - grow_x
        pasted, mask = image.copy(), np.zeros(image.shape[:2], np.uint8)
        rows, own_rows = _within(y, shape.shape[0], image.shape[0])
        columns, own_columns = _within(x, shape.shape[1], image.shape[1])
        mask[rows, columns] = shape[own_rows, own_columns]
        np.copyto(
            pasted[rows, columns],
            piece[own_rows, own_columns],
            where=mask[rows, columns, None] > 0,
        )
        return pasted, mask


def grown(size: tuple[int, int], angle: float) -> tuple[int, int]:
    """Return by how much the box of a turned piece is larger, at each side.

    It is larger by even numbers, so that the middle stays on the grid: no
    blur without a rotation, and a scar of one pixel does not vanish.

    Args:
        size: Height and width of the piece.
        angle: In degrees.
    """
    height, width = size
    cos, sin = (abs(f(np.radians(angle))) for f in (np.cos, np.sin))
    return (
        int(np.ceil((width * sin + height * cos - height) / 2)),
        int(np.ceil((width * cos + height * sin - width) / 2)),
    )


def _turn(
    piece: np.ndarray,
    shape: np.ndarray,
    angle: float,
    grow: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:
    """Turn a piece [h, w, 3] and its shape, 1 inside, 0 around."""
    height, width = shape.shape
    middle = (width - 1) / 2, (height - 1) / 2
    turn: np.ndarray = cv2.getRotationMatrix2D(middle, angle, 1)
    turn[:, 2] += grow[::-1]
    box = width + 2 * grow[1], height + 2 * grow[0]
    # repeated edges avoid black borders
    turned = cv2.warpAffine(
        piece,
        turn,
        box,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return turned, cv2.warpAffine(shape, turn, box, flags=cv2.INTER_NEAREST)


def _within(start: int, length: int, most: int) -> tuple[slice, slice]:
    """Return what of a span lies in [0, most), there and in the span."""
    low, high = max(start, 0), min(start + length, most)
    return slice(low, high), slice(low - start, high - start)
