"""Depthwise convolutions whose backward pass is fast on processors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

# kernels above this side: PyTorch's gradient of a weight in bfloat16 takes
# four to five times as long as in float32
LARGE = 3


class FastDepthwise(TorchFunctionMode):
    """Context in which depthwise convolutions on CPUs learn fast in bfloat16.

    What a forward pass returns stays as it is. The backward pass of those
    that autocast runs in bfloat16 is another: PyTorch's takes up to ten times
    as long there, two thirds of a training step of an EfficientNet. Gradients
    agree but for rounding. All other functions pass through.

    Example:
        >>> import torch
        >>> layer = torch.nn.Conv2d(8, 8, 5, stride=2, groups=8)
        >>> with FastDepthwise(), torch.autocast('cpu', torch.bfloat16):
        ...     features = layer(torch.rand(2, 8, 16, 16))
        >>> features.sum().backward()
        >>> layer.weight.grad.shape
        torch.Size([8, 1, 5, 5])
    """

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call another function for a convolution that is to be fast."""
        if func is torch.conv2d and not kwargs and len(args) == 7:
            image, weight, bias, stride, padding, dilation, groups = args
            if (
                groups == image.shape[1] == len(weight) > 1
                and image.device.type == 'cpu'
                and torch.is_grad_enabled()
                and torch.is_autocast_enabled('cpu')
                and torch.get_autocast_dtype('cpu') is torch.bfloat16
                and not isinstance(padding, str)
                and set(_pair(dilation)) == {1}
                and all(
                    side > margin
                    for side, margin in zip(
                        weight.shape[2:], _pair(padding), strict=True
                    )
                )
            ):
                image, weight = image.bfloat16(), weight.bfloat16()
                bias = None if bias is None else bias.bfloat16()
                return _Depthwise.apply(
                    image, weight, bias, _pair(stride), _pair(padding)
                )
        return func(*args, **(kwargs or {}))


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        image: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: tuple[int, int],
        padding: tuple[int, int],
    ) -> Tensor:
        ctx.save_for_backward(image, weight)
        ctx.stride, ctx.padding = stride, padding
        return functional.conv2d(
            image, weight, bias, stride, padding, groups=len(weight)
        )

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        image, weight = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        of_image = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            of_image = _image_gradient(
                grad, image, weight, ctx.stride, ctx.padding
            )
        if ctx.needs_input_grad[1]:
            of_weight = _weight_gradient(
                grad, image, weight, ctx.stride, ctx.padding
            )
        if ctx.needs_input_grad[2]:
            of_bias = grad.sum((0, 2, 3))
        return of_image, of_weight, of_bias, None, None


def _image_gradient(
    grad: Tensor,
    image: Tensor,
    weight: Tensor,
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> Tensor:
    """Convolve the gradient, with zeros between its values, backwards."""
    kernel = weight.shape[2:]
    if stride != (1, 1):
        sides = (
            side + 2 * margin - reach + 1
            for side, margin, reach in zip(
                image.shape[2:], padding, kernel, strict=True
            )
        )
        spread = torch.empty(
            (*grad.shape[:2], *sides),
            dtype=grad.dtype,
            memory_format=torch.channels_last,
        ).zero_()
        spread[:, :, :: stride[0], :: stride[1]] = grad
        grad = spread
    margins = [k - 1 - p for k, p in zip(kernel, padding, strict=True)]
    return functional.conv2d(
        grad, weight.flip(2, 3), None, 1, margins, groups=len(weight)
    )


def _weight_gradient(
    grad: Tensor,
    image: Tensor,
    weight: Tensor,
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> Tensor:
    image = image.contiguous(memory_format=torch.channels_last)
    parts = [grad, image, weight]
    if max(weight.shape[2:]) > LARGE:
        parts = [part.float() for part in parts]
    _, found, _ = torch.ops.aten.convolution_backward(
        *parts,
        None,
        stride,
        padding,
        (1, 1),
        False,
        (0, 0),
        len(weight),
        (False, True, False),
    )
    return found.to(weight.dtype)


def _pair(value: int | Sequence[int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])
