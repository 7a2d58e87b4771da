"""What plain and modulated deformable convolution share."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torchvision
from torch import Tensor

from ._common import check_shape, wide


class Geometry(NamedTuple):
    """Arguments of the convolution, each pair (rows, columns)."""

    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    deform_groups: int


def check_call(
    op: str, x: Tensor, offset: Tensor, weight: Tensor, geo: Geometry
) -> None:
    """Compare input (B, C, H, W), offset and weight with each other.

    Raises:
        ValueError: If channels or sizes do not fit.
    """
    check_shape(op, 'input', x, 'B,C,H,W')
    inputs = weight.shape[1] * geo.groups
    if x.shape[1] != inputs:
        raise ValueError(
            f'{op}: expected {inputs} input channels (weight '
            f'{tuple(weight.shape)}, {geo.groups} groups), got '
            f'{x.shape[1]}; match `weight` and `groups` to the input.'
        )
    channels = 2 * geo.deform_groups * weight.shape[2] * weight.shape[3]
    check_shape(op, 'offset', offset, f'{len(x)},{channels},H,W')


def convolve(
    x: Tensor,
    offset: Tensor,
    weight: Tensor,
    mask: Tensor | None,
    bias: Tensor | None,
    geo: Geometry,
) -> Tensor:
    """Offsets are (y, x) pairs per group and tap here and in mmcv alike."""
    return torchvision.ops.deform_conv2d(
        x, offset, weight, bias, geo.stride, geo.padding, geo.dilation, mask
    )


def _off_map(
    offset: Tensor, kernel: torch.Size, size: torch.Size, geo: Geometry
) -> Tensor:
    """Which taps lie a whole pixel outside, per offset: as ``offset``."""
    taps = torch.cartesian_prod(*(torch.arange(k) for k in kernel))
    out = []
    for axis in (0, 1):
        ticks = torch.arange(offset.shape[2 + axis]) * geo.stride[axis]
        shape = (-1, 1) if axis == 0 else (1, -1)
        start = (ticks - geo.padding[axis]).view(shape).to(offset.device)
        tap = (taps[:, axis] * geo.dilation[axis])[:, None, None]
        shift = offset.unflatten(1, (geo.deform_groups, -1, 2))[:, :, :, axis]
        where = start + tap.to(offset.device) + shift
        out.append((where <= -1) | (where >= size[axis]))
    either = out[0] | out[1]
    return torch.stack([either, either], 3).view_as(offset)


def gradients(
    x: Tensor,
    offset: Tensor,
    weight: Tensor,
    mask: Tensor | None,
    bias: Tensor | None,
    geo: Geometry,
    grad_output: Tensor,
    wanted: tuple[str, ...],
) -> list[Tensor]:
    """Gradients of the ``wanted`` ones of x, offset, weight, mask, bias."""
    parts = {
        'x': x,
        'offset': offset,
        'weight': weight,
        'mask': mask,
        'bias': bias,
    }
    leaves = {
        name: wide(part).detach().clone()
        for name, part in parts.items()
        if part is not None
    }
    asked = [leaves[name].requires_grad_() for name in wanted]
    with torch.enable_grad():
        out = convolve(
            leaves['x'],
            leaves['offset'],
            leaves['weight'],
            leaves.get('mask'),
            leaves.get('bias'),
            geo,
        )
    grads = dict(
        zip(
            wanted,
            torch.autograd.grad(out, asked, grad_output.to(out)),
            strict=True,
        )
    )
    if 'offset' in grads:
        # A tap at exactly -1 is outside for the compiled ops, where
        # torchvision takes the slope towards the map. Offsets that start at
        # zero put every tap on the padding there.
        away = _off_map(leaves['offset'], weight.shape[2:], x.shape[2:], geo)
        grads['offset'].masked_fill_(away, 0)
    return list(grads.values())
