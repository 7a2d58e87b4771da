"""RoIAlign, average and max (Mask R-CNN, arXiv:1703.06870)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torchvision
from torch import Tensor

from ._common import check_shape, compiled_like, wide

# Sampled values held at once by max pooling.
_BUDGET = 1 << 22


class _Axis(NamedTuple):
    """Linear interpolation along one axis: neighbours and their weights."""

    low: Tensor
    high: Tensor
    low_weight: Tensor
    high_weight: Tensor
    inside: Tensor


def _axis(where: Tensor, size: int) -> _Axis:
    """Interpolate at ``where``: up to one pixel beyond the border is flat."""
    inside = (where >= -1) & (where <= size)
    point = where.clamp(0, size - 1)
    low = point.floor()
    high = (low + 1).clamp(max=size - 1)
    part = point - low
    return _Axis(low.long(), high.long(), 1 - part, part, inside)


def _corners(y: _Axis, x: _Axis):
    """The four neighbours of each point: row, column, weight."""
    for row, row_weight in ((y.low, y.low_weight), (y.high, y.high_weight)):
        for col, col_weight in (
            (x.low, x.low_weight),
            (x.high, x.high_weight),
        ):
            weight = row_weight * col_weight
            yield row, col, weight * (y.inside & x.inside)


def _ticks(start: Tensor, step: Tensor, bins: int, grid: int) -> Tensor:
    """Sample positions (K, bins, grid) along one axis of K regions."""
    start, step = start[:, None, None], step[:, None, None]
    bin_index = torch.arange(bins, device=start.device)[:, None]
    sample = torch.arange(grid, device=start.device) + 0.5
    return start + bin_index * step + sample * step / grid


def _max_in_bins(
    feats: Tensor, batch: Tensor, ys: Tensor, xs: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Largest sample of each bin and where it lies: three (K, C, PH, PW)."""
    height, width = feats.shape[-2:]
    k, rows, grid_h = ys.shape
    _, cols, grid_w = xs.shape
    y = _Axis(*(part[:, :, None] for part in _axis(ys.flatten(1), height)))
    x = _Axis(*(part[:, None, :] for part in _axis(xs.flatten(1), width)))
    value: Tensor | float = 0.0
    for row, col, weight in _corners(y, x):
        found = feats[batch[:, None, None], :, row, col]
        value = value + weight[..., None] * found
    samples = torch.as_tensor(value).view(k, rows, grid_h, cols, grid_w, -1)
    samples = samples.permute(0, 5, 1, 3, 2, 4).flatten(4)
    best, index = samples.max(-1)
    at = torch.arange(k, device=ys.device)[:, None, None, None]
    row_id = torch.arange(rows, device=ys.device)[:, None]
    col_id = torch.arange(cols, device=ys.device)
    y_best = ys[at, row_id, index // grid_w]
    x_best = xs[at, col_id, index % grid_w]
    return best, y_best, x_best


def _pool_max(
    feats: Tensor,
    rois: Tensor,
    size: tuple[int, int],
    scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    channels = feats.shape[1]
    # The compiled op starts from these values, seen where a bin is empty.
    cpu = feats.device.type == 'cpu'
    lowest = -10000.0 if cpu else torch.finfo(torch.float32).min
    shape = (len(rois), channels, *size)
    out = feats.new_full(shape, lowest)
    y_out, x_out = feats.new_full(shape, -1), feats.new_full(shape, -1)
    batch = rois[:, 0].long()
    box = rois[:, 1:] * scale - (0.5 if aligned else 0.0)
    sides = box[:, 2:] - box[:, :2]
    if not aligned:
        sides = sides.clamp(min=1)
    steps = sides / sides.new_tensor([size[1], size[0]])
    grids = (
        torch.full_like(sides, sampling_ratio)
        if sampling_ratio > 0
        else steps.ceil()
    )
    for grid_w, grid_h in torch.unique(grids.long(), dim=0).tolist():
        if grid_w <= 0 or grid_h <= 0:
            continue
        same = (grids == grids.new_tensor([grid_w, grid_h])).all(1)
        cost = channels * size[0] * size[1] * grid_h * grid_w
        for part in same.nonzero().flatten().split(max(1, _BUDGET // cost)):
            ys = _ticks(box[part, 1], steps[part, 1], size[0], grid_h)
            xs = _ticks(box[part, 0], steps[part, 0], size[1], grid_w)
            best, y, x = _max_in_bins(feats, batch[part], ys, xs)
            found = best > lowest
            out[part] = best.where(found, out[part])
            y_out[part] = y.where(found, y_out[part])
            x_out[part] = x.where(found, x_out[part])
    return out, y_out, x_out


@compiled_like
def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Pool features (N, C, H, W) in regions (K, 5), index and xyxy.

    Fills ``output`` (K, C, PH, PW). ``pool_mode`` 0 takes the maximum of the
    samples, and fills ``argmax_y`` and ``argmax_x`` with where it lies; 1
    takes their mean. A ``sampling_ratio`` of 0 samples about every pixel.

    Raises:
        ValueError: If a shape is not as above.
    """
    check_shape('roi_align_forward', 'input', input, 'N,C,H,W')
    check_shape('roi_align_forward', 'rois', rois, 'K,5')
    size = (aligned_height, aligned_width)
    feats = wide(input)
    rois = rois.to(feats)
    if pool_mode == 1:
        output.copy_(
            torchvision.ops.roi_align(
                feats, rois, size, spatial_scale, sampling_ratio, aligned
            )
        )
        return
    found = _pool_max(
        feats, rois, size, spatial_scale, sampling_ratio, aligned
    )
    for target, value in zip((output, argmax_y, argmax_x), found, strict=True):
        target.copy_(value)


def _spread_max(
    grad: Tensor, rois: Tensor, y: Tensor, x: Tensor, shape: torch.Size
) -> Tensor:
    """Gradient (N, C, H, W) of max pooling, given where each maximum lay."""
    _, channels, height, width = shape
    out = grad.new_zeros(shape).flatten()
    channel = torch.arange(channels, device=grad.device)[:, None, None]
    plane = rois[:, 0].long()[:, None, None, None] * channels + channel
    # -1 also marks an empty bin, so the compiled op takes it as that.
    grad = grad * (y != -1)
    for row, col, weight in _corners(_axis(y, height), _axis(x, width)):
        index = (plane * height + row) * width + col
        out.index_add_(0, index.flatten(), (grad * weight).flatten())
    return out.view(shape)


@compiled_like
def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Add to ``grad_input`` (N, C, H, W) from ``grad_output`` (K, C, PH, PW).

    Raises:
        ValueError: If ``rois`` is not (K, 5).
    """
    check_shape('roi_align_backward', 'rois', rois, 'K,5')
    grad = wide(grad_output)
    rois = rois.to(grad)
    if pool_mode == 0:
        y, x = argmax_y.to(grad), argmax_x.to(grad)
        grad_input += _spread_max(grad, rois, y, x, grad_input.shape).to(
            grad_input
        )
        return
    # The mean is linear in the features: any point gives the gradient.
    with torch.enable_grad():
        feats = grad.new_zeros(grad_input.shape).requires_grad_()
        pooled = torchvision.ops.roi_align(
            feats,
            rois,
            (aligned_height, aligned_width),
            spatial_scale,
            sampling_ratio,
            aligned,
        )
    grad_input += torch.autograd.grad(pooled, feats, grad)[0].to(grad_input)
