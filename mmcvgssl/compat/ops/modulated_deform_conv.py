"""Modulated deformable convolution (arXiv:1811.11168)."""

from __future__ import annotations

from torch import Tensor

from ._common import compiled_like, wide
from ._deform import Geometry, check_call, convolve, gradients


@compiled_like
def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
    with_bias: bool,
) -> None:
    """As ``deform_conv_forward``, each tap scaled by ``mask``.

    ``mask`` is (B, deformable_group * kernel_h * kernel_w, h, w).

    Raises:
        ValueError: If a shape is not as above.
    """
    geo = Geometry(
        (stride_h, stride_w),
        (pad_h, pad_w),
        (dilation_h, dilation_w),
        group,
        deformable_group,
    )
    check_call('modulated_deform_conv_forward', input, offset, weight, geo)
    parts = wide(input), wide(offset), wide(weight), wide(mask)
    output.copy_(convolve(*parts, wide(bias) if with_bias else None, geo))


@compiled_like
def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
    with_bias: bool,
) -> None:
    """Add to, or for offset and mask fill, the gradients of all inputs.

    Raises:
        ValueError: If a shape is not as in the forward op.
    """
    geo = Geometry(
        (stride_h, stride_w),
        (pad_h, pad_w),
        (dilation_h, dilation_w),
        group,
        deformable_group,
    )
    check_call('modulated_deform_conv_backward', input, offset, weight, geo)
    grads = gradients(
        input,
        offset,
        weight,
        mask,
        bias if with_bias else None,
        geo,
        grad_output,
        ('x', 'offset', 'weight', 'mask', *(['bias'] * with_bias)),
    )
    grad_input += grads[0].to(grad_input)
    grad_offset.copy_(grads[1])
    grad_weight += grads[2].to(grad_weight)
    grad_mask.copy_(grads[3])
    if with_bias:
        grad_bias += grads[4].to(grad_bias)
