"""Contribution of each position of an image to its score."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

_LEAST = 1e-12  # length of an embedding, as of torch's normalize


def contribution_map(
    last: Tensor,
    pooled: Tensor,
    scores: Tensor,
    slope_of: Callable[[Tensor], Tensor],
    centre: Tensor,
) -> Tensor:
    """Return ``max(0, g · (F - p̄))`` at each position, [N, h, w].

    Args:
        last: Features F: [N, C, h, w], tokens [N, L, C], or anything else,
            which has no positions and gives the score itself, [N, 1, 1].
        pooled: Their pooled form [N, C], where g is the score's gradient.
        scores: [N].
        slope_of: Slopes [N, C] of the score at embeddings [N, C] of unit
            length.
        centre: Mean p̄ of the pooled features of good images, [C].
    """
    if last.ndim == 3:
        side = round(last.shape[1] ** 0.5)
        if side**2 == last.shape[1]:
            last = last.transpose(1, 2).unflatten(2, (side, side))
    if last.ndim != 4:
        return scores.view(-1, 1, 1)
    unit = F.normalize(pooled)
    slope = slope_of(unit)
    # through the normalisation: what points along the embedding drops out
    across = slope - unit * (slope * unit).sum(1, keepdim=True)
    slope = across / pooled.norm(dim=1, keepdim=True).clamp(min=_LEAST)
    excess = last - centre[:, None, None]
    return torch.einsum('nc,nchw->nhw', slope, excess).relu()
