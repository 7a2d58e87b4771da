"""Faster R-CNN as a graph: boxes and scores of all regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import roi_align

from mmcvgssl.export.box_rules import nms_threshold, rules_of
from mmcvgssl.export.dense_boxes import BoxRules
from mmcvgssl.export.graph import InputLayer
from mmcvgssl.export.graph_nms import uncovered

_RCNN, _RPN = 'test_cfg.rcnn', 'test_cfg.rpn'
# a score that no box has
_NONE = -1.0


class RegionBoxes(nn.Module):
    """Boxes and scores of Faster R-CNN, of all regions.

    The parts are those of the detector, used by what they offer; regions are
    chosen of all images at once, as many of each.

    Args:
        model: The detector.
        size: Height and width of the input, pixels.
    """

    anchors: Tensor
    levels: Tensor
    says = (
        'boxes of all regions before their NMS: x1, y1, x2, y2 in pixels of '
        'the input, [N, P, C, 4] of each class, or [N, P, 4]',
        'scores of the classes [N, P, C], in [0, 1], or -1 where there are '
        'fewer regions',
    )

    def __init__(self, model: Any, size: tuple[int, int]) -> None:
        super().__init__()
        self.input = InputLayer(model.data_preprocessor)
        self.model, self.size = model, size
        with torch.no_grad():
            images = torch.zeros(1, 3, *self.input.padded(size))
            features = model.extract_feat(images)
        shapes = [level.shape[-2:] for level in features]
        anchors = model.rpn_head.prior_generator.grid_priors(
            shapes, device='cpu'
        )
        self.counts = [len(level) for level in anchors]
        self.register_buffer('anchors', torch.cat(anchors))
        most = model.rpn_head.test_cfg.get('nms_pre', -1)
        self.chosen = [
            min(count, most) if most > 0 else count for count in self.counts
        ]
        numbers = torch.arange(len(anchors))
        levels = numbers.repeat_interleave(torch.tensor(self.chosen))
        self.register_buffer('levels', levels)

    @staticmethod
    def takes(model: Any) -> bool:
        """Whether a detector is one of these."""
        head: Any = getattr(model, 'roi_head', None)
        extractor: Any = getattr(head, 'bbox_roi_extractor', None)
        box_head: Any = getattr(head, 'bbox_head', None)
        parts = (model, head, extractor, getattr(model, 'rpn_head', None))
        names = [type(part).__name__ for part in parts]
        known = ['FasterRCNN', 'StandardRoIHead', 'SingleRoIExtractor']
        return (
            names == [*known, 'RPNHead']
            and not head.with_shared_head
            and getattr(box_head, 'with_cls', False)
            and getattr(box_head, 'with_reg', False)
            and not box_head.custom_cls_channels
            and all(
                getattr(layer, 'pool_mode', None) == 'avg'
                for layer in extractor.roi_layers
            )
        )

    @staticmethod
    def rules(model: Any, source: str) -> BoxRules:
        """Return how boxes are chosen of the outputs."""
        rpn = model.rpn_head.test_cfg
        nms_threshold({'nms': rpn.get('nms')}, source, _RPN)
        rules = rules_of(model.roi_head.test_cfg, source, _RCNN)
        return replace(rules, several=True)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return boxes [N, P, C, 4] or [N, P, 4], and scores [N, P, C]."""
        features = self.model.extract_feat(self.input(images))
        regions, there = self._regions(features)
        count, most = regions.shape[:2]
        head = self.model.roi_head
        number = torch.arange(count)[:, None, None].expand(-1, most, 1)
        placed = torch.cat([number.to(regions), regions], -1).flatten(0, 1)
        scores, deltas = head.bbox_head(self._pool(features, placed))
        scores = F.softmax(scores, -1)[:, :-1].unflatten(0, (count, most))
        kinds = deltas.shape[1] // 4
        own = placed[:, None, 1:].expand(-1, kinds, -1).reshape(-1, 4)
        boxes = head.bbox_head.bbox_coder.decode(
            own, deltas.reshape(-1, 4), max_shape=self.size
        )
        shape = (count, most, kinds, 4) if kinds > 1 else (count, most, 4)
        return (
            boxes.reshape(shape),
            torch.where(there[..., None], scores, _NONE),
        )

    def _regions(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return regions [N, P, 4], and which of them are there [N, P]."""
        head = self.model.rpn_head
        settings = head.test_cfg
        raw, deltas = head(features)
        count = raw[0].shape[0]
        of_levels = []
        for values, changes, anchors, most in zip(
            raw,
            deltas,
            self.anchors.split(self.counts),
            self.chosen,
            strict=True,
        ):
            scores = values.permute(0, 2, 3, 1).reshape(
                count, -1, head.cls_out_channels
            )
            scores = (
                scores.sigmoid()[..., 0]
                if head.use_sigmoid_cls
                else scores.softmax(-1)[..., 0]
            )
            changes = changes.permute(0, 2, 3, 1).reshape(count, -1, 4)
            scores, best = scores.topk(most, 1)
            where = best[..., None].expand(-1, -1, 4)
            of_levels.append((scores, changes.gather(1, where), anchors[best]))
        scores, changes, anchors = (
            torch.cat(parts, 1) for parts in zip(*of_levels, strict=True)
        )
        boxes = head.bbox_coder.decode(
            anchors.flatten(0, 1), changes.flatten(0, 1), max_shape=self.size
        ).unflatten(0, (count, sum(self.chosen)))
        least = settings.get('min_bbox_size', -1)
        if least >= 0:
            large = (boxes[..., 2:] - boxes[..., :2] > least).all(-1)
            scores = torch.where(large, scores, _NONE)
        stays = uncovered(
            boxes,
            scores,
            self.levels,
            len(self.counts),
            float(settings.nms.iou_threshold),
        )
        scores = torch.where(stays, scores, _NONE)
        most = min(int(settings.max_per_img), sum(self.chosen))
        scores, best = scores.topk(most, 1)
        regions = boxes.gather(1, best[..., None].expand(-1, -1, 4))
        return regions, scores >= 0

    def _pool(self, features: Sequence[Tensor], placed: Tensor) -> Tensor:
        """Pool regions [K, 5], each from its own level."""
        extractor = self.model.roi_head.bbox_roi_extractor
        levels = features[: extractor.num_inputs]
        level = extractor.map_roi_levels(placed, len(levels))
        pooled = []
        for i, (values, layer) in enumerate(
            zip(levels, extractor.roi_layers, strict=True)
        ):
            here = (level == i)[:, None]
            # of no size elsewhere, which takes no time
            own = torch.where(here, placed, 0.0)
            found = roi_align(
                values,
                own,
                layer.output_size,
                layer.spatial_scale,
                layer.sampling_ratio,
                layer.aligned,
            )
            pooled.append(torch.where(here[..., None, None], found, 0.0))
        return sum(pooled[1:], pooled[0])
