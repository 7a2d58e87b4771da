"""Nearest patches of a memory."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mmcvgssl.models.layers import linear

# distances in memory at once: 64 MiB
_BLOCK = 1 << 24
# patches of a query that share a table there
_CPU_ROWS = 256
# number of memory patches that are compared at once
_CHUNK = 4096


def distance_rounding(rows: Tensor) -> float:
    """Return the largest rounding error of a distance.

    A squared distance is a difference of squares, so its error is about the
    float32 step of the squares themselves, and that of the distance its
    root. The factor of 4 covers sums over the width, the networks' own
    rounding and vectors in half precision.

    Args:
        rows: [..., D].
    """
    length = float(rows.float().norm(dim=-1).amax())
    return 4 * torch.finfo(torch.float32).eps ** 0.5 * length


def nearest_patches(
    patches: Tensor, memory: Tensor, k: int = 1
) -> tuple[Tensor, Tensor]:
    """Find the nearest patches of a memory by Euclidean distance.

    Args:
        patches: [n, D].
        memory: [m, D].
        k: Neighbours wanted.

    Returns:
        Distances and indices, [n, k] each, the nearest first.
    """
    k = min(k, len(memory))
    squares = memory.square().sum(1)
    rows = max(_BLOCK // len(memory), 1)
    if patches.is_cpu:
        rows = min(rows, _CPU_ROWS)
    distances, indices = [], []
    # a graph takes any number of images, so it has no loop over them
    whole = torch.onnx.is_in_onnx_export()
    for part in [patches] if whole else patches.split(rows):
        # the patch's own square does not change the order: added at the end
        table = linear(-2 * part, memory, squares)
        if k == 1:
            best, index = table.min(dim=1, keepdim=True)
        else:
            best, index = table.topk(k, dim=1, largest=False)
        own = part.square().sum(1, keepdim=True)
        distances.append((best + own).clamp_(min=0).sqrt_())
        indices.append(index)
    return torch.cat(distances), torch.cat(indices)


def nearest_cosine(patches: Tensor, memory: Tensor) -> Tensor:
    """Return half of one minus the largest cosine to a memory.

    Args:
        patches: Patches of unit length, [N, L, D].
        memory: Memory of any length, [M, D].

    Returns:
        [N, L] in [0, 1].
    """
    unit = F.normalize(memory.to(patches), dim=-1)
    closest = [(patches @ p.T).amax(-1) for p in unit.split(_CHUNK)]
    return (1 - torch.stack(closest).amax(0)) / 2
