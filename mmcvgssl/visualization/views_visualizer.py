"""The views that a training sees of one image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from mmcvgssl.registry import VISUALIZERS
from mmcvgssl.visualization.contact_sheet import lay_out
from mmcvgssl.visualization.fitted import fitted
from mmcvgssl.visualization.panel_visualizer import PanelVisualizer

_GAP = 6  # pixels


@VISUALIZERS.register_module()
class ViewsVisualizer(PanelVisualizer):
    """Lays the views of an image out: those of CutPaste or of crops.

    Where a data sample has ``view_labels``, of each view its kind, the
    number stands in its corner: 0 is the image as it is.

    Args:
        name: Name of the visualizer, for mmengine.
        columns: Most views in a row.
        side: Longest side of a view at most, pixels.
        **kwargs: Options of mmengine's ``Visualizer``.

    Example:
        >>> visualizer = VISUALIZERS.build(
        ...     dict(type='mmcvgssl.ViewsVisualizer', name='views', side=16)
        ... )
        >>> views = [np.zeros((32, 32, 3), np.uint8)] * 3
        >>> visualizer.draw(views, None, True, True).shape
        (28, 72, 3)
    """

    def __init__(
        self,
        name: str,
        columns: int = 5,
        side: int = 256,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        if columns < 1 or side < 1:
            raise ValueError(
                'expected columns and side of 1 or more, got '
                f'columns={columns}, side={side}'
            )
        self.columns, self.side = columns, side

    def draw(
        self,
        image: np.ndarray | Sequence[np.ndarray],
        data_sample: Any,
        draw_gt: bool,
        draw_pred: bool,
    ) -> np.ndarray:
        """Return all views, RGB uint8 [H, W, 3].

        Args:
            image: A view uint8 [h, w, 3], or several of any sizes.
            data_sample: See the class.
            draw_gt: Write the kind of each view.
            draw_pred: Of no use here.
        """
        labels = getattr(data_sample, 'view_labels', None)
        views = [image] if isinstance(image, np.ndarray) else image
        small = [fitted(view, self.side).copy() for view in views]
        if draw_gt and labels is not None:
            for view, label in zip(small, list(labels), strict=True):
                _write(view, str(int(label)))
        side = max(max(view.shape[:2]) for view in small)
        columns = min(len(small), self.columns)
        sheet = lay_out(small, side, columns, _GAP)
        rows = math.ceil(len(small) / columns)
        return sheet[: rows * (side + _GAP) + _GAP]


def _write(view: np.ndarray, text: str) -> None:
    font, black, white = cv2.FONT_HERSHEY_SIMPLEX, (0, 0, 0), (255, 255, 255)
    for colour, thick in ((black, 3), (white, 1)):
        cv2.putText(view, text, (4, 16), font, 0.5, colour, thick, cv2.LINE_AA)
