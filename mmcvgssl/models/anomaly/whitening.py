"""Whitening by covariances, and the rounding of distances after it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mmcvgssl.models.anomaly.moments import Moments


def noise_of(mean: Tensor, covariance: Tensor) -> Tensor:
    """Return the rounding of a feature, of its typical size, [p].

    Equal features differ by a few steps of float32 where batches differ.
    """
    variance = covariance.diagonal(dim1=1, dim2=2)
    size = (mean.square() + variance).mean(1).sqrt()
    return 8 * torch.finfo(torch.float32).eps * size


def largest_error(whiten: Tensor, noise: Tensor) -> Tensor:
    """Return the largest rounding error of a distance, a scalar."""
    steepest = whiten.double().norm(dim=1).amax(1)
    return (steepest * noise * whiten.shape[-1] ** 0.5).amax().float()


def whitening(covariance: Tensor, ridge: float, noise: Tensor) -> Tensor:
    """Return W with W Wᵀ = inverse of the covariances [p, D, D].

    Directions that vary less than ``noise`` [p] count as varying so much.
    """
    width = covariance.shape[-1]
    variance = covariance.diagonal(dim1=1, dim2=2).mean(1)
    least = torch.finfo(torch.float32).tiny
    eye = torch.eye(width, dtype=torch.float64, device=covariance.device)
    loaded = (
        covariance + (ridge * variance).clamp(min=least)[:, None, None] * eye
    )
    values, vectors = torch.linalg.eigh(loaded)
    # directions without variance would get an infinite weight
    floor = 1e-7 * values[:, -1:].clamp(min=least)
    floor = torch.maximum(floor, noise.square()[:, None])
    scale = values.clamp(min=floor).rsqrt()
    return (vectors * scale[:, None]).float()


def whitening_of(moments: Moments, ridge: float) -> dict[str, Tensor]:
    """Return the space in which rows have equal variance in all directions.

    Two of the rows are 1 apart there, as a root mean square.

    Args:
        moments: Of rows at one position.
        ridge: Added to all variances, as a share of the mean one.

    Returns:
        ``mean`` [D], ``whiten`` [D, D], and ``rounding`` [1], the largest
        rounding error of a distance that comes from whitening.
    """
    mean, covariance = moments.result()
    noise = noise_of(mean, covariance)
    whiten = whitening(covariance, ridge, noise)
    whiten = whiten / (2 * whiten.shape[-1]) ** 0.5
    step = largest_error(whiten, noise)
    return {
        'mean': mean[0].float(),
        'whiten': whiten[0],
        'rounding': step[None],
    }


def whitened(rows: Tensor, space: Mapping[str, Tensor]) -> Tensor:
    """Bring rows [n, D] to the space of :func:`whitening_of`."""
    return (rows - space['mean']) @ space['whiten']


def restored(rows: Tensor, space: Mapping[str, Tensor]) -> Tensor:
    """Undo :func:`whitened`, up to rounding."""
    back = torch.linalg.inv(space['whiten'].double())
    return (rows.double() @ back + space['mean']).float()
