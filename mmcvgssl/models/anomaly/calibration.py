"""Bring raw anomaly values to [0, 1] without labels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmcvgssl.maps import Likeness
from mmcvgssl.models.anomaly.fitted_state import part_of

_SAMPLES = 1 << 20
# relative difference that float32 can represent
_STEP = 1e-6


class RawValues:
    """Raw values of many images, in bounded memory.

    At most about a million patches are stored, evenly over the images.
    """

    def __init__(self) -> None:
        self._patches: list[Tensor] = []
        self._scores: list[Tensor] = []
        self._step, self._held = 1, 0
        self.likeness = Likeness()

    def add(self, maps: Tensor, scores: Tensor) -> None:
        """Add maps [N, h, w] and scores [N]."""
        maps = maps.detach().float().cpu()
        self._scores.append(scores.detach().float().cpu())
        # a copy: a view would hold all of the maps in memory
        self._patches.append(maps.flatten()[:: self._step].clone())
        self._held += len(self._patches[-1])
        if self._held > _SAMPLES:
            self._patches = [torch.cat(self._patches)[::2].clone()]
            self._held = len(self._patches[0])
            self._step *= 2
        for one in maps.numpy():
            self.likeness.add(one)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the values so far."""
        known = self.likeness.state_dict()
        state = {
            f'likeness.{k}': torch.from_numpy(v) for k, v in known.items()
        }
        state['step'] = torch.tensor(self._step)
        if self._scores:
            state |= {'patches': self.patches(), 'scores': self.scores()}
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take what :meth:`state_dict` gave."""
        saved = {key: value.cpu() for key, value in state.items()}
        self._step = int(saved['step'])
        self._patches = [saved['patches']] if 'patches' in saved else []
        self._scores = [saved['scores']] if 'scores' in saved else []
        self._held = sum(map(len, self._patches))
        known = part_of(saved, 'likeness')
        self.likeness.load_state_dict({k: v.numpy() for k, v in known.items()})

    def patches(self) -> Tensor:
        """Return values of maps, [n]."""
        return torch.cat(self._patches)

    def scores(self) -> Tensor:
        """Return the images' scores, [N]."""
        return torch.cat(self._scores)


class Calibration(nn.Module):
    """A soft-sign curve through two quantiles of unlabelled values.

    The median of the values of normal (or all) images becomes 0.25 and the
    chosen quantile becomes 0.5, separately for patches and for image scores.
    The curve has long tails, so that large values keep their order even in
    half precision.

    Args:
        quantile: Quantile of the values that becomes 0.5, in (0.5, 1).
        floor: Quantile of the patches up to which a map is 0, between 0 and
            ``quantile``; the curve then starts there. Training on the shape
            of maps (AGBP) needs it if values are distances, as these are
            nearly constant.

    Example:
        >>> calibration = Calibration(quantile=0.99)
        >>> maps, scores = torch.rand(8, 4, 4), torch.arange(8.0)
        >>> problem = calibration.fit([(maps, scores)])
        >>> calibrated, _ = calibration(maps, scores)
        >>> bool(calibrated.min() >= 0), bool(calibrated.max() < 1)
        (True, True)
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

    def fit(
        self,
        predictions: Iterable[tuple[Tensor, Tensor]],
        rounding: tuple[float, float] = (0.0, 0.0),
    ) -> str:
        """Measure the quantiles over maps [N, h, w] and scores [N].

        Args:
            predictions: Batches of them.
            rounding: See :meth:`set_from`.

        Returns:
            See :meth:`set_from`.
        """
        values = RawValues()
        for maps, scores in predictions:
            values.add(maps, scores)
        return self.set_from(values, rounding)

    def set_from(
        self, values: RawValues, rounding: tuple[float, float] = (0.0, 0.0)
    ) -> str:
        """Fit the curve to the quantiles of gathered values.

        Quantiles that are no further apart than rounding are taken as one
        value, the lower mark: what is rounding alone must not fill the range.

        Args:
            values: Values of the images.
            rounding: Difference of raw maps, and of raw scores, that
                rounding alone can make.

        Returns:
            What is wrong with the images, if they do not differ; else ''.
        """
        flat = False
        for i, part in enumerate((values.patches(), values.scores())):
            ordered = part.double().sort().values
            # scores have no floor: those below the median need an order, too
            low = _at(ordered, (i == 0 and self.floor) or 0.5)
            high = _at(ordered, self.quantile)
            least = max(rounding[i], _STEP * max(abs(high), _STEP))
            if high - low < least:
                # wide enough that rounding errors stay near 0
                high = low + 10 * least
                flat = flat or i == 0
            self.centre[i] = high
            self.slope[i] = 1 / (high - low)
        if not flat and not values.likeness.alike(rounding[0]):
            return ''
        return (
            f'the maps of the {values.likeness.count} images that were '
            'measured do not differ by more than rounding: the images look '
            'the same to the model, and maps and boxes of them mean nothing; '
            'give images that differ'
        )

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
