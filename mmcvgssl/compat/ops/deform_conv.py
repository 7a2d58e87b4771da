"""Deformable convolution (arXiv:1703.06211)."""

from __future__ import annotations

from torch import Tensor

from ._common import compiled_like, wide
from ._deform import Geometry, check_call, convolve, gradients


@compiled_like
def deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    im2col_step: int,
) -> None:
    """Convolve (B, C, H, W) at displaced taps into ``output`` (B, O, h, w).

    ``offset`` is (B, 2 * deformable_group * kH * kW, h, w). The buffers and
    ``im2col_step`` serve the compiled op only.

    Raises:
        ValueError: If a shape is not as above.
    """
    geo = Geometry(
        (dH, dW),
        (padH, padW),
        (dilationH, dilationW),
        group,
        deformable_group,
    )
    check_call('deform_conv_forward', input, offset, weight, geo)
    parts = wide(input), wide(offset), wide(weight)
    output.copy_(convolve(*parts, None, None, geo))


@compiled_like
def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    gradOutput: Tensor,
    gradInput: Tensor,
    gradOffset: Tensor,
    weight: Tensor,
    columns: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    im2col_step: int,
) -> None:
    """Add to ``gradInput`` (B, C, H, W); fill ``gradOffset``.

    Raises:
        ValueError: If a shape is not as in the forward op.
    """
    geo = Geometry(
        (dH, dW),
        (padH, padW),
        (dilationH, dilationW),
        group,
        deformable_group,
    )
    check_call('deform_conv_backward_input', input, offset, weight, geo)
    by_input, by_offset = gradients(
        input, offset, weight, None, None, geo, gradOutput, ('x', 'offset')
    )
    gradInput += by_input.to(gradInput)
    gradOffset.copy_(by_offset)


@compiled_like
def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    gradOutput: Tensor,
    gradWeight: Tensor,
    columns: Tensor,
    ones: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    scale: float,
    im2col_step: int,
) -> None:
    """Add ``scale`` times the gradient to ``gradWeight`` (O, C/g, kH, kW).

    Raises:
        ValueError: If a shape is not as in the forward op.
    """
    geo = Geometry(
        (dH, dW),
        (padH, padW),
        (dilationH, dilationW),
        group,
        deformable_group,
    )
    check_call(
        'deform_conv_backward_parameters', input, offset, gradWeight, geo
    )
    # Linear in the weight, so its values do not matter.
    (by_weight,) = gradients(
        input, offset, gradWeight, None, None, geo, gradOutput, ('weight',)
    )
    gradWeight += (scale * by_weight).to(gradWeight)
