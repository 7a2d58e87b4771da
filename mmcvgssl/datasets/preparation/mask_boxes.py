"""Boxes around the defects that a mask shows."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from mmcvgssl.datasets.layouts import Sample
from mmcvgssl.datasets.preparation.voc import Boxes
from mmcvgssl.datasets.reading import image_size, read_mask


def boxes_of_mask(mask: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Bound each connected part of a mask [H, W], diagonals included.

    Returns:
        Corners (xmin, ymin, xmax, ymax): pixels from 1, the last included.
    """
    _, _, stats, _ = cv2.connectedComponentsWithStats(
        (mask > 0).astype(np.uint8), connectivity=8
    )
    boxes = [
        (int(x) + 1, int(y) + 1, int(x + w), int(y + h))
        for x, y, w, h, _ in stats[1:]  # the first component is the background
    ]
    return sorted(boxes)


def boxes_of_sample(root: Path, sample: Sample) -> Boxes:
    """Bound the defects of an image, under the name of its folder.

    Raises:
        UnreadableImageError: If its mask cannot be decoded.
    """
    size = image_size(str(root / sample.path))
    if sample.mask is None:
        return Boxes(size, [])
    corners = boxes_of_mask(read_mask(str(root / sample.mask)))
    return Boxes(size, [(sample.defect, box) for box in corners])
