"""Bring raw anomaly values to [0, 1] without labels."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_SAMPLES = 1 << 20


class Calibration(nn.Module):
    """A soft-sign curve through two quantiles of unlabelled values.

    The median of what normal (or all) images give becomes 0.25, the chosen
    quantile 0.5, for patches and for image scores apart. Its long tails keep
    the order of values far out, in half precision, too.

    Args:
        quantile: Of the values that becomes 0.5, in (0.5, 1).
        floor: Quantile of the patches up to which a map is 0, between 0 and
            ``quantile``; the curve then starts there. What learns from the
            shape of maps (AGBP) needs this of distances, which hardly differ
            from a constant.
    """

    centre: Tensor
    slope: Tensor

    def __init__(
        self, quantile: float = 0.99, floor: float | None = None
    ) -> None:
        super().__init__()
        if not 0.5 < quantile < 1:
            raise ValueError(
                f'calibration.quantile is between 0.5 and 1, got {quantile}'
            )
        if floor is not None and not 0 < floor < quantile:
            raise ValueError(
                f'calibration.floor is between 0 and quantile ({quantile}), '
                f'got {floor}'
            )
        self.quantile, self.floor = quantile, floor
        self.register_buffer('centre', torch.zeros(2))
        self.register_buffer('slope', torch.zeros(2))  # 0: not fitted

    @property
    def ready(self) -> bool:
        """Whether :meth:`fit` has been called or its state loaded."""
        return bool((self.slope > 0).all())

    def fit(self, predictions: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Measure the quantiles over maps [N, h, w] and scores [N].

        At most about a million patches are kept, evenly over the images.
        """
        patches: list[Tensor] = []
        scores: list[Tensor] = []
        step = 1
        for maps, score in predictions:
            scores.append(score.detach().float().cpu())
            patches.append(maps.detach().float().cpu().flatten()[::step])
            if sum(len(p) for p in patches) > _SAMPLES:
                patches = [torch.cat(patches)[::2]]
                step *= 2
        for i, values in enumerate((torch.cat(patches), torch.cat(scores))):
            ordered = values.double().sort().values
            # scores have no floor: below the median, too, they have an order
            low = _at(ordered, (i == 0 and self.floor) or 0.5)
            high = _at(ordered, self.quantile)
            # values that hardly vary still give a curve
            width = max(high - low, 1e-6 * max(abs(high), 1e-6))
            self.centre[i] = high
            self.slope[i] = 1 / width

    def forward(self, maps: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Map raw maps [N, h, w] and scores [N] to [0, 1)."""
        at_maps = self.slope[0] * (maps - self.centre[0])
        at_scores = self.slope[1] * (scores - self.centre[1])
        if self.floor is None:
            calibrated = (1 + F.softsign(at_maps)) / 2
        else:
            calibrated = F.softsign((1 + at_maps).clamp(min=0))
        return calibrated, (1 + F.softsign(at_scores)) / 2


def _at(ordered: Tensor, quantile: float) -> float:
    """Interpolate a quantile of sorted values."""
    position = quantile * (len(ordered) - 1)
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    return float(torch.lerp(ordered[low], ordered[high], position - low))
