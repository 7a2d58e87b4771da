"""Scores of images from their maps."""

from __future__ import annotations

from torch import Tensor

from mmcvgssl.models.anomaly.neighbours import nearest_patches


def highest(maps: Tensor, share: float) -> Tensor:
    """Mean over a share of the highest patches of maps [N, h, w], [N]."""
    count = max(round(share * maps[0].numel()), 1)
    return maps.flatten(1).topk(count, dim=1).values.mean(1)


def rarity(rows: Tensor, nearest: Tensor, memory: Tensor, k: int) -> Tensor:
    """Weigh patches up whose memory patch is itself a rare one.

    Args:
        rows: The highest patch of each image, [N, D].
        nearest: Index of the nearest memory patch of each, [N].
        memory: Memory, [n, D].
        k: Neighbours of that patch.

    Returns:
        Weights [N].
    """
    _, around = nearest_patches(memory[nearest], memory, k + 1)
    distances = (rows[:, None] - memory[around]).norm(dim=2)
    # the paper's scale: distances of features of width D grow by sqrt(D)
    scaled = distances / rows.shape[1] ** 0.5
    own = (rows - memory[nearest]).norm(dim=1) / rows.shape[1] ** 0.5
    return 1 - (own - scaled.logsumexp(1)).exp()
