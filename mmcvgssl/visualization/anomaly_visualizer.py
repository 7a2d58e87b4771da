"""Image, heatmap and truth side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from mmcvgssl.maps.picture import draw_heatmap
from mmcvgssl.registry import VISUALIZERS
from mmcvgssl.visualization.panel_visualizer import PanelVisualizer
from mmcvgssl.visualization.side_by_side import outlined, side_by_side


@VISUALIZERS.register_module()
class AnomalyVisualizer(PanelVisualizer):
    """Lays an image, its heatmap and its outlined mask side by side.

    A data sample has ``anomaly_map`` [h, w], ``gt_mask`` [H, W], or both, of
    any size; ``map_threshold``, where it is there, is the middle of the
    colours.

    Args:
        **kwargs: Options of mmengine's ``Visualizer``.

    Example:
        >>> from mmpretrain.structures import DataSample
        >>> sample = DataSample(anomaly_map=torch.rand(4, 4))
        >>> visualizer = VISUALIZERS.build(
        ...     dict(type='mmcvgssl.AnomalyVisualizer', name='maps')
        ... )
        >>> image = np.zeros((8, 6, 3), np.uint8)
        >>> visualizer.draw(image, sample, True, True).shape
        (8, 16, 3)
    """

    def draw(
        self, image: Any, data_sample: Any, draw_gt: bool, draw_pred: bool
    ) -> np.ndarray:
        """Return the pictures side by side, RGB uint8 [H, W, 3]."""
        if isinstance(image, (list, tuple)):
            image = image[0]  # maps are those of the first view
        panels = [image]
        values = _plane(data_sample, 'anomaly_map') if draw_pred else None
        if values is not None:
            middle = getattr(data_sample, 'map_threshold', None)
            heat = draw_heatmap(
                np.ascontiguousarray(image[..., ::-1]),
                anomaly_map=values,
                map_threshold=None if middle is None else float(middle),
            )
            panels.append(heat[..., ::-1])
        mask = _plane(data_sample, 'gt_mask') if draw_gt else None
        if mask is not None:
            panels.append(outlined(image, mask))
        return side_by_side(panels)


def _plane(data_sample: Any, key: str) -> np.ndarray | None:
    """Return a map or mask [h, w], which may have a first axis of one."""
    value = getattr(data_sample, key, None)
    if value is None:
        return None
    values = torch.as_tensor(value).detach().cpu().float().numpy()
    return values.reshape(values.shape[-2:])
