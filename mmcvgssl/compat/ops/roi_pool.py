"""RoIPool: maximum over quantised bins (Fast R-CNN, arXiv:1504.08083)."""

from __future__ import annotations

import torch
from torch import Tensor

from ._common import check_shape, compiled_like, wide


def _edges(start: Tensor, stop: Tensor, bins: int, size: int):
    """First and one past the last pixel of each bin: two (K, bins)."""
    step = ((stop - start) / bins)[:, None]
    index = torch.arange(bins)
    first = (index * step + start[:, None]).floor()
    last = ((index + 1) * step + start[:, None]).ceil()
    return first.clamp(0, size).long(), last.clamp(0, size).long()


def _inside(first: Tensor, last: Tensor, low: int, high: int) -> Tensor:
    """Which pixels low..high lie in which bin: (bins, high - low)."""
    pixel = torch.arange(low, high)
    return (pixel >= first[:, None]) & (pixel < last[:, None])


@compiled_like
def roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Pool features (N, C, H, W) in regions (K, 5), index and xyxy.

    Fills ``output`` and ``argmax`` (K, C, PH, PW); ``argmax`` is a pixel's
    index in its plane, -1 for an empty bin. Corners are inclusive and scaled
    without rounding; a region without area is left as it came.

    Raises:
        ValueError: If a shape is not as above.
    """
    check_shape('roi_pool_forward', 'input', input, 'N,C,H,W')
    check_shape('roi_pool_forward', 'rois', rois, 'K,5')
    feats = wide(input)
    height, width = feats.shape[-2:]
    box = rois.to(feats).cpu()
    left, top = (box[:, 1:3] * spatial_scale).unbind(1)
    right, bottom = ((box[:, 3:] + 1) * spatial_scale).unbind(1)
    x_first, x_last = _edges(left, right, pooled_width, width)
    y_first, y_last = _edges(top, bottom, pooled_height, height)
    for k in range(len(box)):
        if right[k] <= left[k] or bottom[k] <= top[k]:
            continue
        x0, x1 = int(x_first[k].min()), int(x_last[k].max())
        y0, y1 = int(y_first[k].min()), int(y_last[k].max())
        if x0 >= x1 or y0 >= y1:
            output[k], argmax[k] = 0, -1
            continue
        crop = feats[int(box[k, 0]), :, y0:y1, x0:x1]
        in_col = _inside(x_first[k], x_last[k], x0, x1).to(crop.device)
        in_row = _inside(y_first[k], y_last[k], y0, y1).to(crop.device)
        lowest = torch.finfo(crop.dtype).min
        # Along rows, then along columns: ties go to the first in reading
        # order, as they do in a walk over the bin.
        by_row, col = (
            crop[:, :, None].masked_fill(~in_col, lowest).max(-1)
        )  # (C, h, PW)
        best, row = (
            by_row[:, None]
            .masked_fill(~in_row[None, :, :, None], lowest)
            .max(2)
        )  # (C, PH, PW)
        col = col.gather(1, row)
        filled = in_row.any(1)[:, None] & in_col.any(1)
        output[k] = best.where(filled, torch.zeros_like(best)).to(output)
        index = (row + y0) * width + col + x0
        argmax[k] = index.where(filled, torch.full_like(index, -1)).to(argmax)


@compiled_like
def roi_pool_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax: Tensor,
    grad_input: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Add ``grad_output`` (K, C, PH, PW) to ``grad_input`` (N, C, H, W).

    Raises:
        ValueError: If ``rois`` is not (K, 5).
    """
    check_shape('roi_pool_backward', 'rois', rois, 'K,5')
    _, channels, height, width = grad_input.shape
    grad = wide(grad_output)
    plane = rois[:, 0].long()[:, None] * channels
    plane = plane + torch.arange(channels, device=grad.device)
    index = plane[..., None, None] * (height * width) + argmax.clamp(min=0)
    total = grad.new_zeros(grad_input.numel())
    total.index_add_(0, index.flatten(), (grad * (argmax >= 0)).flatten())
    grad_input += total.view_as(grad_input).to(grad_input)
