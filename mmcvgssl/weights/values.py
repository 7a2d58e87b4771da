"""Checks of weights for NaN and infinity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mmcvgssl.weights.errors import WeightsError

FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
_VARIANCE = 'running_var'


def check_values(
    state: Mapping[str, Tensor],
    source: str,
    own: Mapping[str, Tensor] | None = None,
) -> None:
    """Refuse NaN, infinity and kinds of numbers that no layer computes in.

    Args:
        state: Tensors by name.
        source: Where they come from, for messages.
        own: Tensors that they are to fill; a value must be finite in their
            precision, too.

    Raises:
        WeightsError: Names the source, how many tensors, and the first.
    """
    own = own or {}
    strange, bad, negative = [], [], []
    for name, value in state.items():
        kind = value.dtype
        if (
            value.layout is not torch.strided
            or value.is_meta
            or not (kind in FLOATS or not _is_real(kind))
            or kind.is_complex
        ):
            strange.append(f'{name} ({kind})'.replace('torch.', ''))
        elif not kind.is_floating_point:
            continue
        elif not _is_finite(value, own.get(name)):
            bad.append(name)
        elif name.endswith(_VARIANCE) and bool((value < 0).any()):
            negative.append(name)
    if strange:
        raise WeightsError(
            f'{source}: expected dense tensors of float16, bfloat16, float32 '
            f'or float64, got {first(strange)}; convert them, for example by '
            '`{k: v.float() for k, v in state.items()}`'
        )
    if bad:
        raise WeightsError(
            f'{source} holds NaN or infinity in {len(bad)} of {len(state)} '
            f'tensors: {first(bad)}; the training that wrote it has diverged, '
            'so take an earlier checkpoint, or train again with a lower '
            'learning rate'
        )
    if negative:
        raise WeightsError(
            f'{source} holds negative variances in {first(negative)}; the '
            'file is damaged, so take another'
        )


def not_finite(state: Mapping[str, Tensor]) -> list[str]:
    """Return the names of tensors that hold NaN or infinity."""
    return [name for name, value in state.items() if not _is_finite(value)]


def first(names: Sequence[str], count: int = 3) -> str:
    """Name the first of several, and say how many more there are."""
    more = f' and {len(names) - count} more' if len(names) > count else ''
    return (', '.join(names[:count]) or 'nothing') + more


def _is_real(kind: torch.dtype) -> bool:
    return kind.is_floating_point or kind.is_complex


def _is_finite(value: Tensor, target: Tensor | None = None) -> bool:
    if not bool(torch.isfinite(value).all()):
        return False
    if target is None or not target.is_floating_point():
        return True
    narrow = torch.finfo(target.dtype).max < torch.finfo(value.dtype).max
    if not (narrow and value.numel()):
        return True
    return bool(torch.isfinite(value.to(target.dtype)).all())
