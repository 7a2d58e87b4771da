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


def pool_levels(
    levels: Sequence[Tensor], poolings: Sequence[str] = ('mean',)
) -> list[Tensor]:
    """Pool what a network gives as :class:`FrozenTeacher` pools its own.

    Args:
        levels: Maps [N, C, H, W], the last of which is the network's output.
        poolings: Ways in which all but the last are pooled, each for itself;
            the last is averaged.

    Raises:
        ValueError: If a level that is no map is to be pooled but by its mean.

    Example:
        >>> import torch
        >>> maps = torch.zeros(2, 8, 4, 4), torch.zeros(2, 16, 2, 2)
        >>> [rows.shape[1] for rows in pool_levels(maps, POOLINGS)]
        [8, 8, 8, 16]
    """
    inner = [pool_map(level, way) for level in levels[:-1] for way in poolings]
    return [*inner, global_pool(levels)]


def checked_poolings(given: Sequence[str]) -> tuple[str, ...]:
    """Return poolings as a tuple.

    Raises:
        ValueError: If one is unknown or named twice, or there is none.
    """
    names = (given,) if isinstance(given, str) else tuple(given)
    if not names or len({*names}) < len(names) or {*names} - {*POOLINGS}:
        raise ValueError(
            f'poolings: expected some of {", ".join(POOLINGS)}, each once, '
            f'got {given!r}'
        )
    return names


def pool_map(level: Tensor, pooling: str) -> Tensor:
    """Pool a map [N, C, H, W] to [N, C].

    Args:
        level: The map; tokens and vectors take ``'mean'`` alone.
        pooling: ``'mean'``; ``'std'``, how much a feature varies over the
            image; or ``'max'``, where it is strongest.

    Raises:
        ValueError: If it is no map, and the pooling is not ``'mean'``.

    Example:
        >>> import torch
        >>> level = torch.tensor([[[[0.0, 2.0]]]])
        >>> [pool_map(level, pooling).item() for pooling in POOLINGS]
        [1.0, 1.0, 2.0]
    """
    if pooling == 'mean':
        return global_pool(level)
    if level.ndim != 4:
        raise ValueError(
            f'pooling {pooling!r} needs maps [N, C, H, W], got '
            f"{tuple(level.shape)}: take 'mean'"
        )
    if pooling == 'std':
        return level.std(dim=(2, 3), correction=0)
    return level.amax((2, 3))
