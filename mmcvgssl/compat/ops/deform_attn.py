"""Multi-scale deformable attention (Deformable DETR, arXiv:2010.04159)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ._common import check_shape, compiled_like, wide


def _attend(
    value: Tensor,
    shapes: list[list[int]],
    starts: list[int],
    locations: Tensor,
    weights: Tensor,
) -> Tensor:
    """Sum of bilinear samples, outside of the map zero: (B, Q, M * D)."""
    batch, _, heads, dim = value.shape
    queries, points = locations.shape[1], locations.shape[4]
    total = value.new_zeros(batch * heads, dim, queries)
    # (B, Q, M, L, P, 2) to (L, B * M, Q, P, 2), in -1..1 for grid_sample
    grids = 2 * locations.permute(3, 0, 2, 1, 4, 5).flatten(1, 2) - 1
    shares = weights.permute(3, 0, 2, 1, 4).flatten(1, 2)
    for level, (height, width) in enumerate(shapes):
        start = starts[level]
        plane = value[:, start : start + height * width]
        plane = plane.permute(0, 2, 3, 1).reshape(-1, dim, height, width)
        taken = F.grid_sample(plane, grids[level], align_corners=False)
        share = shares[level].reshape(-1, 1, queries, points)
        total = total + (taken * share).sum(-1)
    total = total.view(batch, heads * dim, queries)
    return total.transpose(1, 2).contiguous()


def _check(op: str, value: Tensor, locations: Tensor, weights: Tensor):
    batch, heads = value.shape[0], value.shape[2]
    check_shape(op, 'sampling_loc', locations, f'{batch},Q,{heads},L,P,2')
    want = ','.join(map(str, locations.shape[:-1]))
    check_shape(op, 'attn_weight', weights, want)


def _off_map(locations: Tensor, shapes: Tensor) -> Tensor:
    """Which points lie a whole pixel outside: (B, Q, M, L, P, 1)."""
    size = shapes.flip(1).to(locations)[:, None]  # (L, 1, 2), x first
    where = locations * size - 0.5
    return ((where <= -1) | (where >= size)).any(-1, keepdim=True)


@compiled_like
def ms_deform_attn_forward(
    value: Tensor,
    spatial_shapes: Tensor,
    level_start_index: Tensor,
    sampling_loc: Tensor,
    attn_weight: Tensor,
    im2col_step: int,
) -> Tensor:
    """Attend to values (B, K, M, D) at points (B, Q, M, L, P, 2): (B, Q, M*D).

    Points are (x, y) in 0..1 of each level, whose (height, width) stand in
    ``spatial_shapes`` (L, 2). ``im2col_step`` only splits the work of the
    compiled op and has no effect here.

    Raises:
        ValueError: If a shape is not as above.
    """
    check_shape('ms_deform_attn_forward', 'value', value, 'B,K,M,D')
    _check('ms_deform_attn_forward', value, sampling_loc, attn_weight)
    wider = wide(value)
    out = _attend(
        wider,
        spatial_shapes.tolist(),
        level_start_index.tolist(),
        sampling_loc.to(wider),
        attn_weight.to(wider),
    )
    return out.to(value)


@compiled_like
def ms_deform_attn_backward(
    value: Tensor,
    spatial_shapes: Tensor,
    level_start_index: Tensor,
    sampling_loc: Tensor,
    attn_weight: Tensor,
    grad_output: Tensor,
    grad_value: Tensor,
    grad_sampling_loc: Tensor,
    grad_attn_weight: Tensor,
    im2col_step: int,
) -> None:
    """Add to the three gradients, shaped as what they belong to.

    Raises:
        ValueError: If a shape is not as in the forward op.
    """
    check_shape('ms_deform_attn_backward', 'value', value, 'B,K,M,D')
    _check('ms_deform_attn_backward', value, sampling_loc, attn_weight)
    wider = wide(value)
    leaves = [
        part.to(wider).detach().clone().requires_grad_()
        for part in (value, sampling_loc, attn_weight)
    ]
    with torch.enable_grad():
        out = _attend(
            leaves[0],
            spatial_shapes.tolist(),
            level_start_index.tolist(),
            *leaves[1:],
        )
    grads = torch.autograd.grad(out, leaves, grad_output.to(out).view_as(out))
    # There the compiled op sees a flat zero, grid_sample at -1 a slope.
    grads[1].masked_fill_(_off_map(leaves[1].detach(), spatial_shapes), 0)
    targets = (grad_value, grad_sampling_loc, grad_attn_weight)
    for target, grad in zip(targets, grads, strict=True):
        target += grad.to(target)
