"""Greedy k-centre as its definition says, one patch at a time."""

import torch
from torch import Tensor


def plain_coreset(patches: Tensor, size: int, first: int) -> Tensor:
    """Choose the patch farthest from all chosen ones, again and again.

    Args:
        patches: [n, D].
        size: How many to choose.
        first: The one to start with.
    """
    chosen = [first]
    nearest = (patches - patches[first]).square().sum(1)
    while len(chosen) < size:
        farthest = int(nearest.argmax())
        chosen.append(farthest)
        distances = (patches - patches[farthest]).square().sum(1)
        nearest = torch.minimum(nearest, distances)
    return torch.tensor(chosen)
