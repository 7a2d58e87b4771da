"""What every op shares: dtypes, autocast and shape errors."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor


def wide(tensor: Tensor) -> Tensor:
    """Half precision to float32, the dtype the sums are taken in."""
    if tensor.dtype in (torch.float16, torch.bfloat16):
        return tensor.float()
    return tensor


def as_float32(value: float) -> float:
    """Round as the compiled ops do, whose scalar arguments are C floats.

    Otherwise an overlap of exactly 0.6 would exceed a threshold of 0.6.
    """
    return float(np.float32(value))


def compiled_like(op: Callable[..., Any]) -> Callable[..., Any]:
    """Run ``op`` as the compiled ones run: blind to autograd and autocast."""

    @functools.wraps(op)
    def run(*args: Any, **kwargs: Any) -> Any:
        given = (*args, *kwargs.values())
        found = [part for part in given if isinstance(part, Tensor)]
        kind = found[0].device.type if found else 'cpu'
        blind = (
            torch.autocast(kind, enabled=False)
            if torch.amp.is_autocast_available(kind)
            else nullcontext()
        )
        with torch.no_grad(), blind:
            return op(*args, **kwargs)

    return run


def check_shape(op: str, name: str, tensor: Tensor, want: str) -> None:
    """Compare a shape with a pattern such as ``'N,4'``.

    Raises:
        ValueError: If the number of dimensions or a fixed size differs.
    """
    sizes = want.split(',')
    fits = tensor.dim() == len(sizes) and all(
        not size.isdigit() or int(size) == got
        for size, got in zip(sizes, tensor.shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f'{op}: expected `{name}` of shape ({want}), got '
            f'{tuple(tensor.shape)}; reshape it before the call.'
        )
