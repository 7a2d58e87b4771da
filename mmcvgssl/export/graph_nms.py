"""NMS within a graph, of a batch of images."""

from __future__ import annotations

from typing import Any

import torch
from mmcv.ops import batched_nms
from torch import Tensor


@torch.library.custom_op('mmcvgssl::uncovered', mutates_args=())
def uncovered(
    boxes: Tensor,
    scores: Tensor,
    groups: Tensor,
    count: int,
    iou_threshold: float,
) -> Tensor:
    """Say which boxes no better one of their group covers.

    Args:
        boxes: x1, y1, x2, y2 [N, P, 4].
        scores: [N, P]; a box of a score below 0 counts for nothing.
        groups: Numbers of their groups [P].
        count: Number of groups.
        iou_threshold: Largest overlap (IoU) of two boxes that stay.

    Returns:
        Booleans [N, P].
    """
    stays = torch.zeros(scores.shape, dtype=torch.bool)
    nms = dict(type='nms', iou_threshold=iou_threshold)
    for own, values, stay in zip(boxes, scores, stays, strict=True):
        there = (values >= 0).nonzero()[:, 0]
        if len(there):
            _, chosen = batched_nms(
                own[there], values[there], groups[there], nms
            )
            stay[there[chosen]] = True
    return stays


@uncovered.register_fake
def _(
    boxes: Tensor,
    scores: Tensor,
    groups: Tensor,
    count: int,
    iou_threshold: float,
) -> Tensor:
    return torch.empty_like(scores, dtype=torch.bool)


def _to_onnx(
    boxes: Any, scores: Any, groups: Any, count: int, iou_threshold: float
) -> Any:
    """Write it by ONNX's operator, to which groups are classes."""
    from onnxscript import INT64, opset18

    op: Any = opset18
    numbers = op.Constant(value_ints=[*range(count)])
    of_group = op.Equal(op.Unsqueeze(groups, [0]), op.Unsqueeze(numbers, [1]))
    of_each = op.Where(
        op.Unsqueeze(of_group, [0]),
        op.Unsqueeze(scores, [1]),
        op.Constant(value_float=-1.0),
    )
    found = op.NonMaxSuppression(
        boxes,
        of_each,
        op.Constant(value_ints=[1 << 31]),
        op.Constant(value_floats=[iou_threshold]),
        op.Constant(value_floats=[-0.5]),
    )
    indices = op.Gather(found, op.Constant(value_ints=[0, 2]), axis=1)
    count_found = op.Shape(found, start=0, end=1)
    ones = op.Expand(op.Constant(value_float=1.0), count_found)
    nothing = op.Expand(op.Constant(value_float=0.0), op.Shape(scores))
    indices = op.Cast(indices, to=INT64.dtype)
    return op.Greater(
        op.ScatterND(nothing, indices, ones), op.Constant(value_float=0.5)
    )


# what torch.onnx.export does not know by itself
TRANSLATED: dict[Any, Any] = {torch.ops.mmcvgssl.uncovered.default: _to_onnx}
