"""A memory of patches: its metrics and scales, and one for each position."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from mmcvgssl.models.anomaly.coreset import greedy_coreset
from mmcvgssl.models.anomaly.neighbours import (
    distance_rounding,
    nearest_patches,
)
from mmcvgssl.models.anomaly.positions import PositionPools

METRICS = ('euclidean', 'cosine')


def as_metric(distances: Tensor, metric: str) -> Tensor:
    """Bring Euclidean distances to a metric."""
    # of unit vectors, |a - b|^2 = 2 - 2 cos
    if metric == 'cosine':
        return distances.square() / 2
    return distances


def local_scales(memory: Tensor, k: int, metric: str) -> Tensor:
    """Mean distance of each patch of a memory [n, D] to its neighbours, [n].

    Args:
        memory: Patches.
        k: Number of neighbours.
        metric: One of :data:`METRICS`.
    """
    distances, _ = nearest_patches(memory, memory, k + 1)
    own = as_metric(distances[:, 1:], metric).mean(1)
    # distances of equal patches are 0 up to rounding
    typical = float(own.median())
    step = torch.tensor(distance_rounding(memory))
    least = float(as_metric(step, metric))
    return own.clamp(min=1e-3 * typical if typical > least else least)


def choose_by_position(
    pools: PositionPools,
    earlier: Sequence[Mapping[str, Tensor]],
    size: int,
    seed: int,
    scales: Callable[[Tensor], Tensor] | None,
) -> dict[str, Tensor]:
    """Choose a memory for each position of a tile.

    Args:
        pools: Patches to choose from.
        earlier: Memories of an earlier fit, or none.
        size: Patches in all memories.
        seed: Of the choice.
        scales: Makes the scales of a memory, if there are any.

    Returns:
        ``memory`` [n, D], ``position`` [n], size of the ``image`` and, if
        any, ``scale`` [n].
    """
    each = max(size // len(pools.pools), 1)
    memories = []
    for i, pool in enumerate(pools.pools):
        patches = pool.patches()
        if earlier:
            patches = torch.cat([earlier[i]['memory'], patches])
        memories.append(patches[greedy_coreset(patches, each, seed)])
    counts = torch.tensor([len(memory) for memory in memories])
    state = {
        'memory': torch.cat(memories),
        'position': torch.arange(len(memories)).repeat_interleave(counts),
        'image': torch.tensor(pools.image),
    }
    if scales is not None:
        state['scale'] = torch.cat([scales(memory) for memory in memories])
    return state
