"""Views of images with maps, made on the device that trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmpretrain.models.utils import ClsDataPreprocessor

from mmcvgssl.datasets.views import Canvas
from mmcvgssl.maps import MappedView
from mmcvgssl.models.views_preprocessor import painted
from mmcvgssl.registry import MODELS


@MODELS.register_module()
class MappedViewPreprocessor(ClsDataPreprocessor):
    """Make the views that go with cropped maps, then normalise them.

    The numbers of each view come from :class:`mmcvgssl.maps.DrawMappedView`,
    so that the views are those which ``JointGeometry`` and what follows it
    make in the workers, to rounding. What is no canvas is normalised as it
    is.

    Args:
        geometry: Config of ``JointGeometry``.
        others: Configs of the transforms after it.
        **kwargs: Options of mmpretrain's ``ClsDataPreprocessor``.

    Example:
        >>> import numpy as np
        >>> import torch
        >>> from mmpretrain.structures import DataSample
        >>> from mmcvgssl.maps import DrawMappedView
        >>> crop = dict(type='mmcvgssl.MapCrop', crop_size=4)
        >>> joint = dict(type='mmcvgssl.JointGeometry', transforms=[crop])
        >>> image = np.zeros((8, 8, 3), np.uint8)
        >>> heat = np.zeros((8, 8), np.float32)
        >>> drawn = DrawMappedView(joint)(dict(img=image, anomaly_map=heat))
        >>> sample = DataSample(view_numbers=drawn['view_numbers'])
        >>> whole = Canvas.of([torch.zeros(3, 8, 8, dtype=torch.uint8)])
        >>> batch = dict(inputs=whole, data_samples=[sample])
        >>> MappedViewPreprocessor(joint)(batch)['inputs'].shape
        torch.Size([1, 3, 4, 4])
    """

    def __init__(
        self,
        geometry: Mapping[str, Any],
        others: Sequence[Mapping[str, Any]] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.view = MappedView(geometry, others)

    def forward(self, data: dict, training: bool = False) -> dict:
        """Make the views of ``data['inputs']`` and normalise them."""
        if isinstance(data['inputs'], Canvas):
            data = self.cast_data(data)
            data = {**data, 'inputs': painted(data, self.view.paint)}
        return super().forward(data, training)
