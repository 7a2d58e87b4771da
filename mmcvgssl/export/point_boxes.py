"""Detectors without anchors as graphs: boxes and scores of all places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from mmcvgssl.export.box_rules import MANY, rules_of
from mmcvgssl.export.dense_boxes import BoxRules
from mmcvgssl.export.graph import InputLayer

_RTMDET = ('RTMDetHead', 'RTMDetSepBNHead')


class PointBoxes(nn.Module):
    """Boxes and scores of a detector without anchors, of all places.

    The parts are those of the detector, used by what they offer: its head's
    forward, the generator of points and the coder of boxes. RTMDet's head
    gives distances in pixels and cuts boxes off at the image's border.

    Args:
        model: The detector.
        size: Height and width of the input, pixels.
    """

    strides: Tensor
    points: Tensor
    says = (
        'boxes of all places [N, P, 4] before NMS: x1, y1, x2, y2 in pixels '
        'of the input',
        'scores of the classes [N, P, C], in [0, 1]',
    )

    def __init__(self, model: Any, size: tuple[int, int]) -> None:
        super().__init__()
        self.input = InputLayer(model.data_preprocessor)
        self.model = model
        head = model.bbox_head
        self.border = _border(head, size)
        size = self.input.padded(size)
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

    @staticmethod
    def takes(model: Any) -> bool:
        """Whether a detector is one of these."""
        head = getattr(model, 'bbox_head', None)
        return type(head).__name__ in ('YOLOv8Head', *_RTMDET)

    @staticmethod
    def rules(model: Any, source: str) -> BoxRules:
        """Return how boxes are chosen of the outputs."""
        head = model.bbox_head
        rules = rules_of(head.test_cfg, source)
        if not _is_rtmdet(head):
            return rules
        # mmdet takes the best of each level, and several classes of a place
        return replace(rules, candidates=MANY, several=True)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return boxes [N, P, 4] and scores [N, P, C]."""
        head = self.model.bbox_head
        features = self.model.extract_feat(self.input(images))
        scores, distances = head(features)[:2]
        distances = _flat(distances)
        if not _is_rtmdet(head):
            boxes = head.bbox_coder.decode(
                self.points[None], distances, self.strides
            )
            return boxes, _flat(scores).sigmoid()
        before, behind = distances.split(2, -1)
        boxes = torch.cat([self.points - before, self.points + behind], -1)
        if self.border is not None:
            height, width = self.border
            across, down = boxes[..., 0::2], boxes[..., 1::2]
            across, down = across.clamp(0, width), down.clamp(0, height)
            boxes = torch.stack([across, down], -1).flatten(-2)
        return boxes, _flat(scores).sigmoid()


def _is_rtmdet(head: Any) -> bool:
    return type(head).__name__ in _RTMDET


def _border(head: Any, size: tuple[int, int]) -> tuple[int, int] | None:
    """Return where boxes are cut off, height and width in pixels."""
    cut = getattr(head.bbox_coder, 'clip_border', True)
    return size if _is_rtmdet(head) and cut else None


def _flat(levels: Sequence[Tensor]) -> Tensor:
    """Join levels [N, C, h, w] to [N, P, C]."""
    return torch.cat([level.flatten(2).transpose(1, 2) for level in levels], 1)


def _pair(value: Any) -> tuple[Any, Any]:
    return value if isinstance(value, tuple) else (value, value)
