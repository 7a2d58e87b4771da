"""Maps of patches compared with words, without a framework around them."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def direction_of_words(
    normal: Tensor, anomalous: Tensor, redundant: Tensor, temperature: float
) -> Tensor:
    """Return the difference of text features, over the temperature.

    Args:
        normal: Feature [D] of a normal object, of unit length.
        anomalous: That of an anomalous one.
        redundant: That of what both have in common.
        temperature: Temperature of the soft-max.

    Returns:
        [D].
    """
    normal = F.normalize(normal - redundant, dim=0)
    anomalous = F.normalize(anomalous - redundant, dim=0)
    return (anomalous - normal) / temperature


def compare_with_words(
    patches: Tensor, embedding: Tensor, direction: Tensor
) -> tuple[Tensor, Tensor]:
    """Return how much more anomalous than normal patches and images are.

    Args:
        patches: Features [S, N, L, D] of unit length, at S depths.
        embedding: Features [N, D] of the images, of unit length.
        direction: Results [N, D] of :func:`direction_of_words`.

    Returns:
        Maps [N, L], the mean over depths, and scores [N], in (0, 1).
    """
    # a soft-max over two is the sigmoid of their difference
    maps = (patches @ direction[..., None]).sigmoid()[..., 0].mean(0)
    return maps, (embedding * direction).sum(-1).sigmoid()
