"""Densities of the features of good images.

A density is fitted to rows [n, D] and is then a dict of tensors, which a
file can hold; scores are differentiable.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from sklearn.covariance import ledoit_wolf
from torch import Tensor

from mmcvgssl.models.anomaly.state_forms import Form, Forms


class Gaussian:
    """A Gaussian with shrunk covariance; scores are Mahalanobis distances.

    Source: "A well-conditioned estimator for large-dimensional covariance
    matrices", https://doi.org/10.1016/S0047-259X(03)00096-4, by scikit-learn.
    """

    def fit(self, rows: Tensor) -> dict[str, Tensor]:
        """Return ``mean`` [D] and ``whiten`` [D, D].

        Raises:
            ValueError: If there are fewer than two rows, or one is not
                finite.
        """
        values = _checked(rows).cpu().double()
        mean = values.mean(0)
        covariance, _ = ledoit_wolf(
            (values - mean).numpy(), assume_centered=True
        )
        spread, axes = torch.linalg.eigh(torch.from_numpy(covariance))
        # constant features leave directions without any spread
        floor = max(1e-7 * float(spread[-1]), 1e-12)
        whiten = axes * spread.clamp(min=floor).rsqrt()
        return {'mean': mean.float(), 'whiten': whiten.float()}

    def score(self, rows: Tensor, state: dict[str, Tensor]) -> Tensor:
        """Return distances [n] of rows [n, D]."""
        return ((rows - state['mean']) @ state['whiten']).norm(dim=-1)

    def slope(self, rows: Tensor, state: dict[str, Tensor]) -> Tensor:
        """Return the gradients [n, D] of the distances; 0 at the mean."""
        white = (rows - state['mean']) @ state['whiten']
        return F.normalize(white) @ state['whiten'].T

    def forms(self, axes: tuple[str, ...] = ()) -> Forms:
        """Return the forms of the state, with axes before those of rows."""
        whiten = Form((*axes, 'C', 'C'))
        return {'mean': Form((*axes, 'C')), 'whiten': whiten}


class KernelDensity:
    """Gaussian kernels at all rows; scores are negative log-densities.

    Args:
        bandwidth: Standard deviation of a kernel.

    Raises:
        ValueError: If it is not positive.
    """

    def __init__(self, bandwidth: float = 1.0) -> None:
        if bandwidth <= 0:
            raise ValueError(f'bandwidth is positive, got {bandwidth}')
        self.bandwidth = bandwidth

    def fit(self, rows: Tensor) -> dict[str, Tensor]:
        """Return the ``rows`` [n, D] themselves.

        Raises:
            ValueError: See :meth:`Gaussian.fit`.
        """
        return {'rows': _checked(rows).float().cpu().clone()}

    def score(self, rows: Tensor, state: dict[str, Tensor]) -> Tensor:
        """Return negative log-densities [n] of rows [n, D]."""
        count, width = state['rows'].shape
        norm = math.log(count) + width * math.log(
            self.bandwidth * math.sqrt(2 * math.pi)
        )
        return norm - self._exponents(rows, state['rows']).logsumexp(dim=1)

    def slope(self, rows: Tensor, state: dict[str, Tensor]) -> Tensor:
        """Return the gradients [n, D] of the scores."""
        known = state['rows']
        weights = self._exponents(rows, known).softmax(dim=1)
        return (rows - weights @ known) / self.bandwidth**2

    def forms(self, axes: tuple[str, ...] = ()) -> Forms:
        """Return the forms of the state, which has no other axes."""
        return {'rows': Form(('n', 'C'))}

    def _exponents(self, rows: Tensor, known: Tensor) -> Tensor:
        """Return the exponents [n, m] of the kernels at m known rows."""
        # no matrix product: distances are small compared with the vectors
        if torch.onnx.is_in_onnx_export():
            square = (rows[:, None] - known).square().sum(2)
        else:
            mode = 'donot_use_mm_for_euclid_dist'
            square = torch.cdist(rows, known, compute_mode=mode).square()
        return -square / (2 * self.bandwidth**2)


def score_rows(
    density: Gaussian | KernelDensity,
    rows: Tensor,
    state: Mapping[str, Tensor],
    by_position: bool,
) -> Tensor:
    """Score rows [N, P, C], to [N, P].

    Args:
        density: The fitted density.
        rows: Rows of N images, P each.
        state: State of the density.
        by_position: Whether each position has a Gaussian: ``mean``
            [P, C] and ``whiten`` [P, C, C].

    Raises:
        ValueError: If there are Gaussians of another number of positions.
    """
    if not by_position:
        flat = density.score(rows.flatten(0, 1), dict(state))
        return flat.view(rows.shape[:2])
    if len(state['mean']) != rows.shape[1]:
        raise ValueError(
            f'images give {rows.shape[1]} patches, but the Gaussians are '
            f'those of {len(state["mean"])} positions; use images of the '
            'size that was fitted to'
        )
    centred = (rows - state['mean']).transpose(0, 1)
    return torch.bmm(centred, state['whiten']).norm(dim=2).T


def make_density(
    name: str, bandwidth: float = 1.0
) -> Gaussian | KernelDensity:
    """Make a density by name: ``'gaussian'`` or ``'kde'``.

    Raises:
        ValueError: If there is no such density.
    """
    if name == 'gaussian':
        return Gaussian()
    if name == 'kde':
        return KernelDensity(bandwidth)
    raise ValueError(f"density is 'gaussian' or 'kde', got {name!r}")


def _checked(rows: Tensor) -> Tensor:
    if rows.ndim != 2 or len(rows) < 2:
        raise ValueError(
            'a density needs the features of at least 2 good images, got '
            f'shape {tuple(rows.shape)}; give more good images'
        )
    if not bool(torch.isfinite(rows).all()):
        bad = int((~torch.isfinite(rows)).any(1).sum())
        raise ValueError(
            f'NaN or infinity in the features of {bad} of {len(rows)} '
            'images; check the weights: the training may have diverged'
        )
    return rows
