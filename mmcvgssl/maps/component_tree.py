"""Boxes around nested regions of a map that stand out from what is near."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torchvision.ops import nms

from mmcvgssl.maps.boxes import check_map, check_options
from mmcvgssl.maps.geometry import resize_map
from mmcvgssl.maps.thresholds import is_anomalous

# a map is cut so that these shares of it lie above: from half of it down to
# one of 64 x 64 patches, each 0.7 times the one before
SHARES = tuple(0.5 * 2 ** (-i / 2) for i in range(23))
# the ring around a box is as wide as this share of the box's side, and no
# narrower than this share of the image's side
_RING, _LEAST_RING = 1 / 3, 1 / 20


def component_tree_boxes(
    anomaly_map: np.ndarray,
    size: tuple[int, int],
    min_area: float | None = None,
    top_k: int = 10,
    nms_iou: float = 0.5,
) -> tuple[np.ndarray, np.ndarray]:
    """Box the connected components of a map at several levels.

    The map is cut at quantiles of its own values, so that half of it lies
    above the first, 0.7 times as much above each next one, and about a patch
    above the last: neither the contrast of the image nor the size of the
    defect has to be known. A component of a lower level holds those of the
    higher ones: the component tree, from which MSER chooses its regions, too
    (https://doi.org/10.1016/j.imavis.2004.02.006). A box's score is its
    contrast, the mean of the map in it less that in the ring around it, times
    the root of its share of the image. The ring is a third of the box wide,
    at least a twentieth of the image. A box without contrast is dropped, as
    is one of the whole image, around which there is nothing.

    Args:
        anomaly_map: [h, w], higher is more anomalous.
        size: Height and width of the image, pixels.
        min_area: Least area of a component, pixels; by default that of a
            patch of the map.
        top_k: Most boxes, the best by score.
        nms_iou: A box that overlaps a better one by more is dropped.

    Returns:
        Boxes (x1, y1, x2, y2) in pixels, half-open, float32 [n, 4], and their
        scores in units of the map, float32 [n], in descending order.

    Raises:
        ValueError: If the map is not 2-D or not finite, or an option is out
            of range.

    Example:
        >>> anomaly_map = np.zeros((8, 8))
        >>> anomaly_map[2:4, 5:7] = 1.0
        >>> boxes, scores = component_tree_boxes(anomaly_map, (64, 64))
        >>> boxes.tolist()[:2]
        [[38.0, 11.0, 62.0, 35.0], [41.0, 15.0, 58.0, 31.0]]
        >>> [round(float(score), 3) for score in scores]
        [0.202, 0.151, 0.047]
    """
    check_map(anomaly_map, size)
    check_options(min_area, top_k, nms_iou)
    heat = resize_map(anomaly_map, size)
    patches = anomaly_map.size
    if min_area is None:
        min_area = heat.size / patches
    shares = [share for share in SHARES if share >= 1 / patches]
    corners = _components(heat, shares, min_area)
    scores = _contrast(heat, corners)
    corners, scores = corners[scores > 0], scores[scores > 0]
    # of equal scores the larger box first, then from the top left
    x1, y1, x2, y2 = corners.T
    order = np.lexsort((x1, y1, -(x2 - x1) * (y2 - y1), -scores))
    boxes = torch.from_numpy(corners[order].astype(np.float32))
    values = torch.from_numpy(scores[order].astype(np.float32))
    keep = nms(boxes, values, nms_iou)[:top_k]
    return boxes[keep].numpy(), values[keep].numpy()


def contrast_threshold(
    scores: Sequence[np.ndarray], boxes_per_image: float
) -> float:
    """Return the score from which boxes of a data set are kept.

    Args:
        scores: Scores of each image's boxes, [n] each.
        boxes_per_image: Boxes to keep, on average over the images.

    Returns:
        The lowest score that is kept, of equal ones all; 0 where there is no
        box.

    Example:
        >>> contrast_threshold([np.array([0.9, 0.5]), np.array([0.1])], 1)
        0.5
    """
    every = np.sort(np.concatenate([*scores, np.zeros(0, np.float32)]))[::-1]
    count = min(math.ceil(boxes_per_image * len(scores)), len(every))
    return float(every[count - 1]) if count else 0.0


def _components(
    heat: np.ndarray, shares: Sequence[float], min_area: float
) -> np.ndarray:
    """Return the corners of all components' boxes once, int64 [n, 4]."""
    found = [np.zeros((0, 4), np.int64)]
    for level in np.quantile(heat, 1 - np.array(shares)):
        mask = is_anomalous(heat, level).astype(np.uint8)
        _, _, rows, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        # the first row is the background
        x, y, width, height, area = rows[1:].astype(np.int64).T
        corners = np.stack([x, y, x + width, y + height], axis=1)
        found.append(corners[area >= min_area])
    return np.unique(np.concatenate(found), axis=0)


def _contrast(heat: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Return the score of each box, 0 where nothing is around it."""
    height, width = heat.shape
    # [height + 1, width + 1], less the mean so that sums keep their digits
    sums = cv2.integral(heat.astype(np.float64) - heat.mean(dtype=np.float64))

    def total(x1, y1, x2, y2):
        return sums[y2, x2] - sums[y1, x2] - sums[y2, x1] + sums[y1, x1]

    def area(x1, y1, x2, y2):
        return (x2 - x1) * (y2 - y1)

    box = x1, y1, x2, y2 = tuple(corners.T)
    across = np.maximum(_RING * (x2 - x1), _LEAST_RING * width).astype(int)
    down = np.maximum(_RING * (y2 - y1), _LEAST_RING * height).astype(int)
    outer = (
        np.maximum(x1 - np.maximum(across, 1), 0),
        np.maximum(y1 - np.maximum(down, 1), 0),
        np.minimum(x2 + np.maximum(across, 1), width),
        np.minimum(y2 + np.maximum(down, 1), height),
    )
    ring = area(*outer) - area(*box)
    around = (total(*outer) - total(*box)) / np.maximum(ring, 1)
    contrast = total(*box) / np.maximum(area(*box), 1) - around
    score = contrast * np.sqrt(area(*box) / heat.size)
    return np.where(ring > 0, score, 0.0)
