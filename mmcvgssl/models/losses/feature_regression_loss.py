"""Regression of a teacher's features by cosine distance."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def feature_regression_loss(
    predictions: Sequence[Tensor], targets: Sequence[Tensor]
) -> Tensor:
    """Mean over levels and rows of one minus the cosine.

    Args:
        predictions: One matrix [N, D_l] per level.
        targets: Teacher features of the same shapes; get no gradient.

    Returns:
        Scalar between 0 and 2.

    Raises:
        ValueError: If the levels or their shapes differ.

    Example:
        >>> target = torch.tensor([[1.0, 0.0]])
        >>> feature_regression_loss([3 * target], [target])
        tensor(0.)
    """
    shapes = [tuple(p.shape) for p in predictions]
    if not shapes or shapes != [tuple(t.shape) for t in targets]:
        raise ValueError(
            f'expected targets of shapes {shapes}, got '
            f'{[tuple(t.shape) for t in targets]}'
        )
    distances = [
        (1 - F.cosine_similarity(p, t.detach(), dim=1)).mean()
        for p, t in zip(predictions, targets, strict=True)
    ]
    return torch.stack(distances).mean()
