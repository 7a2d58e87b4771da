"""Linear layers of frozen networks, by the faster library of a processor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def linear(
    x: Tensor, weight: Tensor, bias: Tensor, gelu: bool = False
) -> Tensor:
    """Multiply and add a bias, as :func:`torch.nn.functional.linear` does.

    On processors with AVX-512 PyTorch takes MKL for float32, which leaves
    half of their width on some; this takes oneDNN, which does not, and which
    applies GELU while it writes. Where a gradient is wanted, in half
    precision and on other devices it is PyTorch's.

    Args:
        x: [..., D].
        weight: [m, D].
        bias: [m].
        gelu: Apply the exact GELU.

    Returns:
        [..., m].

    Example:
        >>> linear(torch.rand(2, 5, 8), torch.rand(3, 8), torch.rand(3)).shape
        torch.Size([2, 5, 3])
    """
    if _onednn_multiplies(x, weight):
        act: tuple[Any, ...] = (
            ('gelu', [], 'none') if gelu else ('none', [], '')
        )
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, *act)
    made = F.linear(x, weight, bias)
    return F.gelu(made) if gelu else made


def two_layers(mlp: nn.Module, x: Tensor) -> Tensor:
    """Run the MLP of a transformer block.

    Args:
        mlp: Any module; the result is the module's, sooner where it is a
            linear layer, an exact GELU and a linear layer.
        x: [..., D].

    Example:
        >>> mlp = nn.Sequential(nn.Linear(8, 32), nn.GELU(), nn.Linear(32, 8))
        >>> two_layers(mlp, torch.rand(2, 5, 8)).shape
        torch.Size([2, 5, 8])
    """
    parts: list[Any] = list(mlp.children())
    if [type(part) for part in [mlp, *parts]] != _MLP or _altered(parts):
        return mlp(x)
    first, _, second = parts
    hidden = linear(x, first.weight, first.bias, gelu=True)
    return linear(hidden, second.weight, second.bias)


_MLP = [nn.Sequential, nn.Linear, nn.GELU, nn.Linear]


def _altered(parts: Sequence[Any]) -> bool:
    """Whether hooks want to see parts, or a part is of an unusual form."""
    first, gelu, second = parts
    hooked = any(p._forward_hooks or p._forward_pre_hooks for p in parts)
    unbiased = first.bias is None or second.bias is None
    return hooked or unbiased or gelu.approximate != 'none'


def _onednn_multiplies(x: Tensor, weight: Tensor) -> bool:
    wanted = torch.is_grad_enabled() and (
        x.requires_grad or weight.requires_grad
    )
    return (
        x.is_cpu
        and x.dtype == weight.dtype == torch.float32
        and not wanted
        and not torch.is_autocast_enabled('cpu')
        and not torch.onnx.is_in_onnx_export()
        and torch.backends.mkldnn.is_available()
        and bool(torch.backends.mkldnn.enabled)
        and torch.backends.cpu.get_cpu_capability() == 'AVX512'
        and hasattr(torch.ops.mkldnn, '_linear_pointwise')
    )
