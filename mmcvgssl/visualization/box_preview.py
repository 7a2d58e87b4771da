"""Pictures of an image under its map and boxes."""

from __future__ import annotations

import cv2
import numpy as np

from mmcvgssl.maps import lay_map

# BGR
BOX_COLOUR = (255, 255, 0)
TRUTH_COLOUR = (255, 255, 255)
LONGEST_SIDE = 1024


def draw_boxes(
    image: np.ndarray,
    anomaly_map: np.ndarray,
    boxes: np.ndarray,
    scores: np.ndarray,
    map_threshold: float,
    highest: float,
    truth: np.ndarray | None = None,
) -> np.ndarray:
    """Lay a map over an image and draw boxes.

    The middle of the colours is the map threshold and the brightest
    ``highest``, so pictures of a data set can be compared.

    Args:
        image: BGR uint8 [H, W, 3].
        anomaly_map: [h, w].
        boxes: (x1, y1, x2, y2) in pixels of the image, [n, 4], cyan.
        scores: [n], written at the boxes.
        map_threshold: Map threshold, in units of the map.
        highest: Largest value of all maps.
        truth: True boxes in the same form, [m, 4], white.

    Returns:
        BGR uint8, the longer side at most ``LONGEST_SIDE`` pixels.
    """
    scale = min(1.0, LONGEST_SIDE / max(image.shape[:2]))
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    drawn = lay_map(small, anomaly_map, map_threshold, highest)
    thick = max(1, round(max(height, width) / 300))
    if truth is not None:
        for box in truth:
            draw_box(drawn, box * scale, TRUTH_COLOUR, thick)
    font = max(height, width) / 1000
    for box, score in zip(boxes, scores, strict=True):
        x, y = draw_box(drawn, box * scale, BOX_COLOUR, thick)
        cv2.putText(
            drawn,
            f'{score:.3g}',
            (x + thick, y + thick + round(25 * font)),
            cv2.FONT_HERSHEY_SIMPLEX,
            font,
            BOX_COLOUR,
            thick,
            cv2.LINE_AA,
        )
    return drawn


def draw_box(
    picture: np.ndarray,
    box: np.ndarray,
    colour: tuple[int, int, int],
    thick: int,
) -> tuple[int, int]:
    """Draw a half-open box on the pixels in it; return its corner."""
    x1, y1, x2, y2 = (round(float(v)) for v in box)
    cv2.rectangle(picture, (x1, y1), (x2 - 1, y2 - 1), colour, thick)
    return x1, y1
