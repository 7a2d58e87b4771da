"""Contribution of each position of an image to its score."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def contribution_map(
    last: Tensor,
    pooled: Tensor,
    scores: Tensor,
    score_of: Callable[[Tensor], Tensor],
    centre: Tensor,
) -> Tensor:
    """Return ``max(0, g · (F - p̄))`` at each position, [N, h, w].

    Args:
        last: Features F: [N, C, h, w], tokens [N, L, C], or anything else,
            which has no positions and gives the score itself, [N, 1, 1].
        pooled: Their pooled form [N, C], where g is the score's gradient.
        scores: [N].
        score_of: Scores [N] of embeddings [N, C] of unit length.
        centre: Mean p̄ of the pooled features of good images, [C].
    """
    if last.ndim == 3:
        side = round(last.shape[1] ** 0.5)
        if side**2 == last.shape[1]:
            last = last.transpose(1, 2).unflatten(2, (side, side))
    if last.ndim != 4:
        return scores.view(-1, 1, 1)
    with torch.inference_mode(False), torch.enable_grad():
        point = pooled.clone().requires_grad_()
        score = score_of(F.normalize(point))
        (slope,) = torch.autograd.grad(score.sum(), point)
    excess = last - centre[:, None, None]
    return torch.einsum('nc,nchw->nhw', slope, excess).relu()
