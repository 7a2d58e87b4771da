"""Several map generators as one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmcvgssl.models.anomaly.base import AnomalyModel
from mmcvgssl.models.anomaly.calibration import Calibration
from mmcvgssl.models.anomaly.fitting import FittingImages
from mmcvgssl.registry import MODELS


@MODELS.register_module()
class MapEnsemble(AnomalyModel):
    """Weighted sum of maps and scores, each on the scale of normal images.

    What a member gives is measured on images it was not fitted to: their
    median becomes 0 and a high quantile 1, so that members of other units
    add up.

    Args:
        members: Map generators, or their configs.
        map_weights: Of the members' maps; all 1 by default. A member whose
            weight is 0 only scores images.
        score_weights: Of the members' image scores; all 1 by default.
        quantile: Of the values that becomes 1.
        held_out: Share of the fitting images that scales are measured on.
        **kwargs: Of :class:`AnomalyModel`.

    Raises:
        ValueError: If there are no members, or numbers do not fit them.
    """

    needs_fit = True

    def __init__(
        self,
        members: Sequence[AnomalyModel | dict],
        map_weights: Sequence[float] | None = None,
        score_weights: Sequence[float] | None = None,
        quantile: float = 0.99,
        held_out: float = 0.2,
        **kwargs,
    ) -> None:
        n = len(members)
        map_weights = list(map_weights or [1.0] * n)
        score_weights = list(score_weights or [1.0] * n)
        if n == 0 or len(map_weights) != n or len(score_weights) != n:
            raise ValueError(
                'expected one weight of maps and scores for each member, got '
                f'{n} members, {len(map_weights)} and {len(score_weights)}'
            )
        if not 0 < held_out < 1:
            raise ValueError(
                f'held_out is a share between 0 and 1, got {held_out}'
            )
        built = [
            MODELS.build(m) if isinstance(m, dict) else m for m in members
        ]
        super().__init__(
            dict(
                members=[m.settings for m in built],
                map_weights=map_weights,
                score_weights=score_weights,
                quantile=quantile,
                held_out=held_out,
            ),
            **kwargs,
        )
        self.members = nn.ModuleList(built)
        self._members: list[AnomalyModel] = built
        self.map_weights, self.score_weights = map_weights, score_weights
        self.quantile, self.held_out = quantile, held_out

    def predict_maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return summed maps [N, h, w], on the finest grid, and scores."""
        total, score = self._sum(self._members_predict(images))
        return total, score

    def _members_predict(self, images: Tensor) -> list[tuple[Tensor, Tensor]]:
        for i, member in enumerate(self._members):
            member.state = {
                key.removeprefix(f'{i}.'): value
                for key, value in self.state.items()
                if key.startswith(f'{i}.')
            }
        return [member.predict_maps(images) for member in self._members]

    def _sum(
        self, made: Sequence[tuple[Tensor, Tensor]]
    ) -> tuple[Tensor, Tensor]:
        weighed = zip(made, self.map_weights, strict=True)
        grid = max(tuple(m.shape[-2:]) for (m, _), w in weighed if w)
        total = made[0][0].new_zeros(len(made[0][1]), *grid)
        score = torch.zeros_like(made[0][1])
        for i, (maps, scores) in enumerate(made):
            centre, scale = self.state[f'scale.{i}']
            if self.map_weights[i]:
                maps = (maps - centre[0]) * scale[0] * self.map_weights[i]
                total += F.interpolate(
                    maps[:, None], grid, mode='bilinear', align_corners=False
                )[:, 0]
            score += (scores - centre[1]) * scale[1] * self.score_weights[i]
        return total, score

    def _fit(self, images: FittingImages) -> None:
        every = max(round(1 / self.held_out), 2)
        self._fit_members(images.part(every, held_out=False))
        scales = self._measure(images.part(every, held_out=True))
        # the scales are known: the members need not miss any image
        self._fit_members(images)
        self.state.update(scales)

    def _fit_members(self, images: FittingImages) -> None:
        self.state = {}
        for i, member in enumerate(self._members):
            if member.needs_fit:
                member._fit(images)
            self.state.update({f'{i}.{k}': v for k, v in member.state.items()})

    def _measure(self, images: FittingImages) -> dict[str, Tensor]:
        parts = [Calibration(self.quantile) for _ in self._members]
        made = [self._members_predict(inputs) for inputs, _ in images]
        scales = {}
        for i, part in enumerate(parts):
            part.fit(batch[i] for batch in made)
            # Calibration centres on the quantile; here the median is zero
            median = part.centre - 1 / part.slope
            scales[f'scale.{i}'] = torch.stack([median, part.slope]).to(
                self.device
            )
        return scales
