"""How boxes are cut from the maps of a data set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mmcvgssl.maps.box_files import ImageBoxes
from mmcvgssl.maps.boxes import check_options, map_to_boxes
from mmcvgssl.maps.component_tree import (
    component_tree_boxes,
    contrast_threshold,
)
from mmcvgssl.maps.map_folder import MapEntry
from mmcvgssl.maps.thresholds import dataset_threshold

METHODS = ('dataset_threshold', 'component_tree')
BOXES_PER_IMAGE = 3.0  # of component_tree, by default


@dataclass(frozen=True)
class BoxOptions:
    """Options for cutting boxes from maps.

    ``dataset_threshold`` is the way of AGSSP,
    https://arxiv.org/abs/2509.18919: blobs above one map threshold for all
    images, see :func:`map_to_boxes`. ``component_tree`` takes nested regions
    that stand out from their surroundings, see :func:`component_tree_boxes`,
    and keeps the best of all images.

    Args:
        margin: Value to subtract from the mean of the maps' maxima, for the
            map threshold, in units of the maps.
        map_threshold: The map threshold itself, instead of ``margin``.
        min_area: Least area of a blob, square pixels; by default by the
            size of the image.
        top_k: Most boxes an image.
        nms_iou: A box that overlaps a better one by more is dropped; 0.8 by
            default, 0.5 of ``component_tree``.
        method: ``'dataset_threshold'`` or ``'component_tree'``.
        boxes_per_image: Boxes that ``component_tree`` keeps, on average over
            the images; 3 by default, of which an image has none to
            ``top_k``.

    Raises:
        ValueError: If one is out of range, or of the other method.

    Example:
        >>> from mmcvgssl.apis import MapFolder
        >>> options = BoxOptions(margin=0.1, top_k=5)
        >>> entries = list(MapFolder('maps'))  # maxima 0.9, 0.9, 0.1, 0.1
        >>> round(options.map_threshold_of(entries), 2)
        0.4
    """

    margin: float = 0.1
    map_threshold: float | None = None
    min_area: float | None = None
    top_k: int = 10
    nms_iou: float | None = None
    method: str = 'dataset_threshold'
    boxes_per_image: float | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(
                f'method is one of {", ".join(METHODS)}, got {self.method!r}'
            )
        check_options(self.min_area, self.top_k, self._nms_iou)
        per_image = self.boxes_per_image
        if per_image is not None and not self._nested:
            raise ValueError(
                f'boxes_per_image, got {per_image}, is an option of the '
                'method component_tree: set it, too, or choose a margin'
            )
        if per_image is not None and not 0 < per_image < math.inf:
            raise ValueError(
                f'boxes_per_image is a number above 0, got {per_image}'
            )
        for name in ('margin', 'map_threshold') if self._nested else ():
            value = getattr(self, name)
            if value != getattr(BoxOptions, name):
                raise ValueError(
                    f'{name}, got {value}, is an option of the method '
                    'dataset_threshold: leave it out, or choose '
                    'boxes_per_image'
                )

    def map_threshold_of(self, entries: Sequence[MapEntry]) -> float:
        """Return the map threshold for these maps."""
        if self.map_threshold is not None:
            return self.map_threshold
        maxima = [entry.map_max for entry in entries]
        return dataset_threshold(maxima, self.margin)

    def cut(
        self,
        anomaly_map: np.ndarray,
        size: tuple[int, int],
        map_threshold: float,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the boxes and scores of one map, see the methods."""
        if self._nested:
            return component_tree_boxes(
                anomaly_map, size, self.min_area, self.top_k, self._nms_iou
            )
        return map_to_boxes(
            *(anomaly_map, size, map_threshold),
            *(self.min_area, self.top_k, self._nms_iou),
        )

    def keep(
        self, images: Sequence[ImageBoxes]
    ) -> tuple[list[ImageBoxes], float | None]:
        """Choose among the boxes of all images.

        Returns:
            The images with the boxes that stay, and the score from which they
            do; None where all do.
        """
        if not self._nested:
            return [*images], None
        per_image = self.boxes_per_image or BOXES_PER_IMAGE
        least = contrast_threshold([i.scores for i in images], per_image)
        left = []
        for image in images:
            good = image.scores >= least
            left.append(
                replace(
                    image, boxes=image.boxes[good], scores=image.scores[good]
                )
            )
        return left, least

    @property
    def _nested(self) -> bool:
        return self.method == 'component_tree'

    @property
    def _nms_iou(self) -> float:
        if self.nms_iou is not None:
            return self.nms_iou
        return 0.5 if self._nested else 0.8
