"""Pooling of a backbone's output to one vector an image."""

from collections.abc import Sequence

from torch import Tensor

POOLINGS = ('mean', 'std', 'max')


def global_pool(features: Tensor | Sequence[Tensor]) -> Tensor:
    """Pool a backbone's last output to [N, C].

    Args:
        features: A tensor or a sequence of levels of which the last counts:
            [N, C, H, W] maps and [N, L, C] tokens are averaged, [N, C] class
            tokens are used.

    Raises:
        ValueError: If the output has another number of dimensions.

    Example:
        >>> import torch
        >>> global_pool(torch.zeros(2, 8, 4, 4)).shape  # maps
        torch.Size([2, 8])
        >>> global_pool([torch.zeros(2, 16, 8)]).shape  # tokens
        torch.Size([2, 8])
    """
    x = features if isinstance(features, Tensor) else features[-1]
    if x.ndim == 4:
        return x.mean(dim=(2, 3))
    if x.ndim == 3:
        return x.mean(dim=1)
    if x.ndim == 2:
        return x
    raise ValueError(
        'expected a backbone output of shape [N, C, H, W], [N, L, C] or '
        f'[N, C], got {tuple(x.shape)}'
    )


def pool_map(level: Tensor, pooling: str) -> Tensor:
    """Pool a map [N, C, H, W] to [N, C].

    Args:
        level: The map.
        pooling: ``'mean'``; ``'std'``, how much a feature varies over the
            image; or ``'max'``, where it is strongest.

    Example:
        >>> import torch
        >>> level = torch.tensor([[[[0.0, 2.0]]]])
        >>> [pool_map(level, pooling).item() for pooling in POOLINGS]
        [1.0, 1.0, 2.0]
    """
    if pooling == 'std':
        return level.std(dim=(2, 3), correction=0)
    return level.mean((2, 3)) if pooling == 'mean' else level.amax((2, 3))
