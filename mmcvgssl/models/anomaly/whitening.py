"""Whitening by covariances, and the rounding of distances after it."""

from __future__ import annotations

import torch
from torch import Tensor


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
