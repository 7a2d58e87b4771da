"""The loss of CVGSSL as plain functions of feature matrices.

Source: "CLIP-Vision Guided Few-Shot Metal Surface Defect Recognition",
IEEE Transactions on Industrial Informatics.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def contrast(query: Tensor, key: Tensor, temperature: float = 1.0) -> Tensor:
    """InfoNCE of matching rows, ``2 tau CE(q k^T / tau, diagonal)``.

    Args:
        query: [N, D]; rows are normalised here.
        key: [N, D]; row n is the positive of query n, the others negatives.
        temperature: Soft-max temperature, above 0.

    Returns:
        Scalar.

    Example:
        >>> rows = torch.eye(4)  # each row is like itself alone
        >>> bool(contrast(rows, rows) < contrast(rows, rows.flip(0)))
        True
    """
    logits = F.normalize(query, dim=1) @ F.normalize(key, dim=1).T
    target = torch.arange(len(query), device=query.device)
    loss = F.cross_entropy(logits / temperature, target)
    return 2 * temperature * loss


def self_constraint(projections: Sequence[Tensor]) -> Tensor:
    """Self-constrained term: one view pair of the batch should stand out.

    For each pair of neighbouring views (the last is followed by the first)
    the N cosine similarities of their rows go through one soft-max over the
    batch; the term is the mean negative log of its largest value.

    Args:
        projections: V teacher projections [N, D].

    Returns:
        Scalar.

    Example:
        >>> views = [torch.eye(4), torch.eye(4)]  # all 4 pairs are alike
        >>> self_constraint(views)
        tensor(1.3863)
    """
    views = F.normalize(torch.stack(list(projections)), dim=2)
    similarity = (views * views.roll(-1, dims=0)).sum(dim=2)  # [V, N]
    return -similarity.log_softmax(dim=1).amax(dim=1).mean()


def cvgssl_loss(
    z0: Tensor,
    predictions: Sequence[Tensor],
    teacher_projections: Sequence[Tensor],
    temperature: float = 1.0,
    self_weight: float = 0.01,
) -> dict[str, Tensor]:
    """Distillation, contrast and self-constrained terms of CVGSSL.

    Args:
        z0: [N, D] student projection of the weak view.
        predictions: V predictor outputs [N, D], the weak view first.
        teacher_projections: V projected teacher features [N, D], in the same
            order of views.
        temperature: Soft-max temperature of the two contrastive terms.
        self_weight: Weight of the self-constrained term, applied inside.

    Returns:
        ``loss_distill``, ``loss_contrast`` and ``loss_self``; their sum is
        the loss of the method.

    Raises:
        ValueError: If there are fewer than two views, the numbers of views
            differ, a shape differs or the temperature is not positive.

    Example:
        >>> views = [torch.randn(4, 8) for _ in range(3)]
        >>> losses = cvgssl_loss(views[0], views, views)
        >>> sorted(losses), losses['loss_distill'].shape
        (['loss_contrast', 'loss_distill', 'loss_self'], torch.Size([]))
    """
    _check(z0, predictions, teacher_projections, temperature)
    p0 = predictions[0]
    distill = [
        contrast(p0, t.detach(), temperature)
        + contrast(p0.detach(), t, temperature)
        for t in teacher_projections
    ]
    key = z0.detach()
    pull = [contrast(p, key, temperature) for p in predictions[1:]]
    # the second term does not depend on the crop, so it is its own mean
    return {
        'loss_distill': torch.stack(distill).mean(),
        'loss_contrast': torch.stack(pull).mean()
        + contrast(key, p0, temperature),
        'loss_self': self_weight * self_constraint(teacher_projections),
    }


def _check(
    z0: Tensor,
    predictions: Sequence[Tensor],
    teacher_projections: Sequence[Tensor],
    temperature: float,
) -> None:
    if temperature <= 0:
        raise ValueError(f'temperature must be above 0, got {temperature}')
    n_views = len(predictions)
    if n_views < 2 or n_views != len(teacher_projections):
        raise ValueError(
            'expected the same number (at least 2) of predictions and teacher '
            f'projections, got {n_views} and {len(teacher_projections)}: '
            'pass one of each per view, the weak view first'
        )
    for name, tensors in (
        ('predictions', predictions),
        ('teacher_projections', teacher_projections),
    ):
        for i, tensor in enumerate(tensors):
            if tensor.ndim != 2 or tensor.shape != z0.shape:
                raise ValueError(
                    f'{name}[{i}] must have the shape [N, D] of z0, '
                    f'{tuple(z0.shape)}, got {tuple(tensor.shape)}'
                )
