"""Detectors as graphs: from bytes of images to raw boxes and scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmcvgssl.export.dense_boxes import BoxRules
from mmcvgssl.export.graph import Graph, InputLayer
from mmcvgssl.model_file import LoadedModel
from mmcvgssl.model_file.detector import THRESHOLD

SUPPORTED = 'YOLOv8 of mmyolo (YOLODetector with a YOLOv8Head)'
_HEADS = ('YOLOv8Head',)
_OUTPUTS: Mapping[str, str] = {
    'boxes': 'boxes of all places [N, P, 4] before NMS: x1, y1, x2, y2 in '
    'pixels of the input',
    'scores': 'scores of the classes [N, P, C], in [0, 1]',
}


class PointBoxes(nn.Module):
    """Boxes and scores of a detector without anchors, of all places.

    The parts are those of the detector, used by what they offer: its head's
    forward, the generator of points and the coder of boxes.

    Args:
        model: The detector.
        size: Height and width of the input, pixels.
    """

    strides: Tensor
    points: Tensor

    def __init__(self, model: Any, size: tuple[int, int]) -> None:
        super().__init__()
        self.input = InputLayer(model.data_preprocessor)
        self.model = model
        head = model.bbox_head
        levels = head.prior_generator.num_levels
        strides = [head.prior_generator.strides[i] for i in range(levels)]
        sizes = [
            (-(-size[0] // int(s[1])), -(-size[1] // int(s[0])))
            for s in (_pair(stride) for stride in strides)
        ]
        points = head.prior_generator.grid_priors(sizes, device='cpu')
        self.register_buffer('points', torch.cat(points))
        of_each = [
            torch.full((len(level),), float(_pair(stride)[0]))
            for level, stride in zip(points, strides, strict=True)
        ]
        self.register_buffer('strides', torch.cat(of_each))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return boxes [N, P, 4] and scores [N, P, C]."""
        head = self.model.bbox_head
        features = self.model.extract_feat(self.input(images))
        scores, distances = head(features)[:2]
        boxes = head.bbox_coder.decode(
            self.points[None], _flat(distances), self.strides
        )
        return boxes, _flat(scores).sigmoid()


def check_detector(loaded: LoadedModel) -> None:
    """Refuse a detector that is not exported.

    Raises:
        ValueError: Names it, and those that are.
    """
    model: Any = loaded.model
    head: Any = getattr(model, 'bbox_head', None)
    if type(head).__name__ not in _HEADS:
        raise ValueError(
            f'{loaded.source} is a {type(model).__name__}, which is not '
            f'exported; of detectors, expected {SUPPORTED}'
        )
    _rules(head.test_cfg, loaded.source)


def detector_graph(loaded: LoadedModel, size: tuple[int, int]) -> Graph:
    """Return the graph of a detector that :func:`check_detector` takes.

    Args:
        loaded: The model file.
        size: Height and width of the input, pixels.
    """
    model: Any = loaded.model
    head: Any = model.bbox_head
    return Graph(
        PointBoxes(model, size),
        _OUTPUTS,
        'boxes of the input are scaled and moved to the image as the steps '
        'say; NMS is outside of the graph, by the rules in boxes',
        threshold=loaded.content.settings[THRESHOLD],
        boxes=_rules(head.test_cfg, loaded.source).as_dict(),
    )


def _rules(settings: Any, source: str) -> BoxRules:
    """Return the rules by which the hosts' head chooses boxes.

    Raises:
        ValueError: If the runtime does not choose by one of them.
    """
    nms = settings.get('nms') or {}
    odd = [
        f'{key}={value!r}'
        for key, value in nms.items()
        if key not in ('type', 'iou_threshold', 'split_thr')
    ]
    if nms.get('type', 'nms') != 'nms' or 'iou_threshold' not in nms:
        odd.append(f'type={nms.get("type")!r}')
    if settings.get('yolox_style') or settings.get('min_bbox_size', -1) > 0:
        odd.append('yolox_style or min_bbox_size')
    if odd:
        raise ValueError(
            f'{source}: exported detectors choose boxes by '
            "nms=dict(type='nms', iou_threshold=VALUE), got "
            f'{", ".join(odd)} in model.test_cfg; choose these settings for '
            'tools/export_model.py'
        )
    return BoxRules(
        score_threshold=float(settings.get('score_thr', -1)),
        iou_threshold=float(nms['iou_threshold']),
        candidates=int(settings.get('nms_pre', 100_000)),
        most=int(settings.get('max_per_img', 100_000)),
        several=bool(settings.get('multi_label', False)),
    )


def _flat(levels: Sequence[Tensor]) -> Tensor:
    """Join levels [N, C, h, w] to [N, P, C]."""
    return torch.cat([level.flatten(2).transpose(1, 2) for level in levels], 1)


def _pair(value: Any) -> tuple[Any, Any]:
    return value if isinstance(value, tuple) else (value, value)
