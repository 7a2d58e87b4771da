"""Hard, grouping and soft non-maximum suppression of axis-aligned boxes."""

from __future__ import annotations

import torch
import torchvision
from torch import Tensor

from ._common import as_float32, check_shape, compiled_like, wide

# Rows of the overlap matrix held at once, so that memory stays linear in N.
_BLOCK = 256
_SOFT_METHODS = ('naive', 'linear', 'gaussian')


def _overlaps(one: Tensor, many: Tensor, offset: int) -> Tensor:
    """IoU of boxes (K, 4) with boxes (N, 4), sides being x2 - x1 + offset."""
    top_left = torch.maximum(one[:, None, :2], many[None, :, :2])
    bottom_right = torch.minimum(one[:, None, 2:], many[None, :, 2:])
    inter = (bottom_right - top_left + offset).clamp(min=0).prod(-1)
    area_one = (one[:, 2:] - one[:, :2] + offset).prod(-1)
    area_many = (many[:, 2:] - many[:, :2] + offset).prod(-1)
    return inter / (area_one[:, None] + area_many[None] - inter)


def _keepers(
    boxes: Tensor, threshold: float, offset: int, inclusive: bool
) -> Tensor:
    """For boxes (N, 4) in score order, who keeps or suppresses each: (N,)."""
    total = len(boxes)
    keeper = torch.full((total,), -1, dtype=torch.long)
    for start in range(0, total, _BLOCK):
        iou = _overlaps(boxes[start : start + _BLOCK], boxes[start:], offset)
        hits = iou >= threshold if inclusive else iou > threshold
        # One copy to the host per block; the greedy walk is sequential.
        hits = hits.cpu()
        for row in range(len(hits)):
            index = start + row
            if keeper[index] >= 0:
                continue
            keeper[index] = index
            rest = keeper[index + 1 :]
            rest[hits[row, row + 1 :] & (rest < 0)] = index
    return keeper


@compiled_like
def nms(
    boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int
) -> Tensor:
    """Greedy NMS: indices (K,) of what stays, best score first.

    Boxes (N, 4) are xyxy and scores (N,). A box goes when its IoU with a
    kept one is above the threshold. Of equal scores the first stays.

    Raises:
        ValueError: If the boxes are not (N, 4) or their number differs from
            that of the scores.
    """
    if boxes.numel() == 0:
        return boxes.new_empty(0, dtype=torch.long)
    check_shape('nms', 'boxes', boxes, 'N,4')
    check_shape('nms', 'scores', scores, f'{len(boxes)}')
    boxes, scores = wide(boxes), wide(scores)
    threshold = as_float32(iou_threshold)
    if offset == 0:
        return torchvision.ops.nms(boxes, scores.to(boxes.dtype), threshold)
    order = scores.sort(stable=True, descending=True).indices
    keeper = _keepers(boxes[order], threshold, offset, inclusive=False)
    best = keeper == torch.arange(len(keeper))
    return order[best.to(order.device)]


@compiled_like
def nms_match(dets: Tensor, iou_threshold: float) -> list[list[int]]:
    """Groups of a kept box and those it suppresses (IoU >= threshold).

    ``dets`` (N, 5) are xyxy and score. The kept box opens its group; groups
    and their members are in score order.

    Raises:
        ValueError: If ``dets`` is not (N, 5).
    """
    check_shape('nms_match', 'dets', dets, 'N,5')
    dets = wide(dets)
    order = dets[:, 4].sort(stable=True, descending=True).indices
    keeper = _keepers(
        dets[order, :4], as_float32(iou_threshold), 0, inclusive=True
    )
    groups: dict[int, list[int]] = {}
    for index, owner in zip(order.tolist(), keeper.tolist(), strict=True):
        groups.setdefault(owner, []).append(index)
    return list(groups.values())


def _soft_weight(
    iou: Tensor, method: int, threshold: float, sigma: float
) -> Tensor:
    """Decay factor of each score, arXiv:1704.04503."""
    if method == 2:
        return torch.exp(-(iou * iou) / sigma)
    decayed = torch.zeros_like(iou) if method == 0 else 1 - iou
    return torch.where(iou >= threshold, decayed, torch.ones_like(iou))


def _first_best(scores: Tensor) -> int:
    """Place of the best score as a walk with ``<`` finds it.

    A score that is not a number (the gaussian of two boxes without area) is
    found only where the walk starts.
    """
    if scores[0].isnan():
        return 0
    return int(scores.nan_to_num(nan=-torch.inf).argmax())


def _drop(rows: Tensor, ids: Tensor, keep: Tensor) -> int:
    """Move what stays to the front as the compiled op does; its count.

    There the last box takes the place of a dropped one, which decides the
    order of equal scores.
    """
    count = int(keep.sum())
    holes = (~keep[:count]).nonzero().flatten()
    fillers = count + keep[count:].nonzero().flatten().flip(0)
    rows[holes], ids[holes] = rows[fillers], ids[fillers]
    return count


@compiled_like
def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Soft-NMS (arXiv:1704.04503): decay scores instead of dropping boxes.

    Boxes (N, 4) are xyxy, scores (N,); ``method`` is 0 naive, 1 linear or 2
    gaussian. The K boxes left are written to the first rows of ``dets``
    (N, 5), with decayed scores; returns their indices (K,).

    Raises:
        ValueError: If a shape or ``method`` is not as above.
    """
    if boxes.numel() == 0:
        return boxes.new_empty(0, dtype=torch.long)
    check_shape('softnms', 'boxes', boxes, 'N,4')
    check_shape('softnms', 'dets', dets, f'{len(boxes)},5')
    if method not in range(len(_SOFT_METHODS)):
        raise ValueError(
            f'softnms: expected method 0, 1 or 2 ({_SOFT_METHODS}), got '
            f'{method}; pass one of these.'
        )
    threshold, low = as_float32(iou_threshold), as_float32(min_score)
    rows = torch.cat([wide(boxes), wide(scores).to(wide(boxes))[:, None]], 1)
    ids = torch.arange(len(rows))
    count, first = len(rows), 0
    while first < count:
        swap = [first, first + _first_best(rows[first:count, 4])]
        rows[swap], ids[swap] = rows[swap[::-1]], ids[swap[::-1]]
        dets[first] = rows[first]
        rest = rows[first + 1 : count]
        iou = _overlaps(rows[first : first + 1, :4], rest[:, :4], offset)[0]
        rest[:, 4] *= _soft_weight(iou, method, threshold, sigma)
        # `not <` rather than `>=`: a score that is not a number stays.
        left = _drop(rest, ids[first + 1 : count], ~(rest[:, 4] < low))
        count = first + 1 + left
        first += 1
    return ids[:count]
