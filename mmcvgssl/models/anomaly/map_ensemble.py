"""Several map generators as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from mmcvgssl.maps import resize_map
from mmcvgssl.models.anomaly.anomaly_model import AnomalyModel
from mmcvgssl.models.anomaly.blocks import block_size
from mmcvgssl.models.anomaly.calibration import Calibration, RawValues
from mmcvgssl.models.anomaly.fitted_state import part_of
from mmcvgssl.models.anomaly.fitting_images import FittingImages
from mmcvgssl.models.anomaly.state_forms import Form, Forms, below
from mmcvgssl.processes import tensors_of_first_process
from mmcvgssl.registry import MODELS


@MODELS.register_module()
class MapEnsemble(AnomalyModel):
    """Weighted sum of maps and scores, each on the scale of normal images.

    The values of each member are measured on images that it was not fitted
    to: their median becomes 0 and a high quantile becomes 1, so that members
    with different units can be added. Members get the data samples and use
    their own ``calibration``; only the ensemble has a threshold. All members
    are fitted to the same images: members that learn from good images cannot
    be combined with members that learn from an unlabelled collection.

    Args:
        members: Map generators, or their configs.
        map_weights: Weights of the members' maps; all 1 by default. A member
            whose weight is 0 only scores images.
        score_weights: Weights of the members' image scores; all 1 by default.
        quantile: Quantile of the values that becomes 1.
        held_out: Share of the fitting images that scales are measured on.
        **kwargs: Options of :class:`AnomalyModel`.

    Raises:
        ValueError: If there are no members, they do not go together, or
            numbers do not fit them.

    Example:
        >>> from mmcvgssl.models import HostTeacher
        >>> conv = nn.Conv2d(3, 8, 4, 4)
        >>> teacher = HostTeacher(conv, input_size=32, levels=[0])
        >>> model = MODELS.build(
        ...     dict(
        ...         type='mmcvgssl.MapEnsemble',
        ...         members=[
        ...             dict(type='mmcvgssl.PatchCore', teacher=teacher),
        ...             dict(type='mmcvgssl.MahalanobisAD', teacher=teacher),
        ...         ],
        ...     )
        ... )
        >>> good = torch.randint(256, (10, 3, 32, 32), dtype=torch.uint8)
        >>> samples = [DataSample() for _ in good]
        >>> model.fit([dict(inputs=list(good), data_samples=samples)])
        >>> maps, scores = model(torch.rand(2, 3, 32, 32))
        >>> maps.shape, scores.shape
        (torch.Size([2, 8, 8]), torch.Size([2]))
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
        block_size(held_out, 'held_out')
        built = [_build(member) for member in members]
        learning = [m for m in built if m.needs_fit]
        kinds = {m.fits_on_collection: type(m).__name__ for m in learning}
        if len(kinds) > 1:
            raise ValueError(
                f'{kinds[True]} is fitted to the images that get maps, of '
                f'which nothing is known to be good, and {kinds[False]} to '
                'good images: one ensemble has members of one kind; take '
                'either out'
            )
        # read by AnomalyModel's constructor
        self.fits_on_collection = True in kinds
        self.needs_fit = True
        samples = [m.fit_sample for m in learning]
        self.fit_sample = max(samples) if samples and all(samples) else 0
        if self.fit_sample:
            # of the member that learns from the most
            self.fit_seed = learning[samples.index(self.fit_sample)].fit_seed
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

    @classmethod
    def learns_from_collection(cls, config: Mapping[str, Any]) -> bool:
        """Whether its members are fitted to the images that get maps."""
        return any(
            MODELS.get(member['type']).learns_from_collection(member)
            for member in config.get('members', ())
            if isinstance(member, Mapping)
        )

    def frozen(self) -> dict[str, nn.Module]:
        """Return the parts of all members."""
        return {
            f'members.{i}.{name}'.rstrip('.'): module
            for i, member in enumerate(self._members)
            for name, module in member.frozen().items()
        }

    def fixed_tensors(self) -> dict[str, Tensor]:
        """Return the parts of all members."""
        return {
            f'members.{i}.{key}': value
            for i, member in enumerate(self._members)
            for key, value in member.fixed_tensors().items()
        }

    def take_fixed_tensors(
        self, tensors: Mapping[str, Tensor], where: str
    ) -> None:
        """Take what :meth:`fixed_tensors` gave."""
        for i, member in enumerate(self._members):
            part = part_of(tensors, f'members.{i}')
            member.take_fixed_tensors(part, where)

    @classmethod
    def portable(cls, config: dict[str, Any]) -> dict[str, Any]:
        """Return a config with the content of the files of members."""
        return {**config, 'members': _each(config, 'portable')}

    @classmethod
    def for_file(cls, config: dict[str, Any]) -> dict[str, Any]:
        """Return the config of members that get weights from a file."""
        return {**config, 'members': _each(config, 'for_file')}

    @property
    def fitted(self) -> bool:
        """Whether maps can be made."""
        return super().fitted and all(m.fitted for m in self._members)

    def predict_maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return summed maps [N, h, w], on the finest grid, and scores."""
        return self._predict(images, [DataSample() for _ in images])

    def _unnamed(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self._sum([m.predict_unnamed(images) for m in self._members])

    def _predict(
        self, images: Tensor, data_samples: Sequence
    ) -> tuple[Tensor, Tensor]:
        return self._sum(self._members_predict(images, data_samples))

    def _members_predict(
        self, images: Tensor, data_samples: Sequence
    ) -> list[tuple[Tensor, Tensor]]:
        return [m.predict(images, data_samples) for m in self._members]

    def _sum(
        self, made: Sequence[tuple[Tensor, Tensor]]
    ) -> tuple[Tensor, Tensor]:
        weighed = zip(made, self.map_weights, strict=True)
        grid = max(tuple(m.shape[-2:]) for (m, _), w in weighed if w)
        total = made[0][0].new_zeros(made[0][1].shape[0], *grid)
        score = torch.zeros_like(made[0][1])
        for i, (maps, scores) in enumerate(made):
            centre, scale = self.state[f'scale.{i}']
            if self.map_weights[i]:
                maps = (maps - centre[0]) * scale[0] * self.map_weights[i]
                total += resize_map(maps, grid)
            score += (scores - centre[1]) * scale[1] * self.score_weights[i]
        return total, score

    def state_forms(self, names: Iterable[str]) -> Forms:
        """Return the forms of centres and slopes, of maps and scores."""
        count = len(self._members)
        return {f'scale.{i}': Form((2, 2)) for i in range(count)}

    def _forms(self, names: Iterable[str]) -> Forms:
        """Return the forms of all that :meth:`_tensors` gives."""
        tensors, forms = dict.fromkeys(names), super()._forms(names)
        for i, member in enumerate(self._members):
            part = f'members.{i}'
            forms |= below(part, member._forms(part_of(tensors, part)))
        return forms

    def rounding(self) -> tuple[float, float]:
        """Return the largest rounding errors of the sums."""
        both = []
        for which, weights in enumerate(
            (self.map_weights, self.score_weights)
        ):
            parts = [
                abs(weight)
                * float(self.state[f'scale.{i}'][1, which])
                * member.rounding()[which]
                for i, (weight, member) in enumerate(
                    zip(weights, self._members, strict=True)
                )
            ]
            both.append(sum(parts))
        return both[0], both[1]

    def _fit(self, images: FittingImages) -> None:
        if self.fits_on_collection or not any(
            member.needs_fit for member in self._members
        ):
            # images are not assumed to be good, so none is set aside
            self._learn_members(images)
            self._measure_scales(images)
            return
        every = block_size(self.held_out, 'held_out')
        self._learn_members(images.part(every, held_out=False))
        self._measure_scales(images.part(every, held_out=True))
        # scales are measured: now fit the members to all images
        self._learn_members(images)

    def _learn_members(self, images: FittingImages) -> None:
        for member in self._members:
            member.learn(images)
            member.basis = {}  # an ensemble is not updated
            for remark in member.remarks:
                if remark not in self.remarks:
                    self.remarks.append(remark)

    def _measure_scales(self, images: FittingImages) -> None:
        values = [RawValues() for _ in self._members]

        def take(made: list[tuple[Tensor, Tensor]]) -> None:
            for part, (maps, scores) in zip(values, made, strict=True):
                part.add(maps, scores)

        self._pass(
            images,
            'scaling the members of',
            lambda inputs, samples, _: self._members_predict(inputs, samples),
            take,
            {f'values.{i}': part for i, part in enumerate(values)},
        )
        self.state = tensors_of_first_process(
            lambda: self._scales(values), self.device
        )

    def _scales(self, values: Sequence[RawValues]) -> dict[str, Tensor]:
        """Return centre and slope of each member's maps and scores."""
        scales = {}
        for i, part in enumerate(values):
            curve = Calibration(self.quantile)
            self.remark(curve.set_from(part, self._members[i].rounding()))
            # Calibration centres on the quantile; here the median is zero
            median = curve.centre - 1 / curve.slope
            scales[f'scale.{i}'] = torch.stack([median, curve.slope])
        return scales

    def _tensors(self) -> dict[str, Tensor]:
        """Return the tensors of the members and of their sum, by name."""
        tensors = super()._tensors()
        for i, member in enumerate(self._members):
            for key, value in member._tensors().items():
                tensors[f'members.{i}.{key}'] = value
        return tensors

    def _take(
        self, tensors: Mapping[str, Tensor], where: str = 'the state'
    ) -> None:
        """Take what :meth:`_tensors` gave."""
        super()._take(tensors, where)
        for i, member in enumerate(self._members):
            member._take(part_of(tensors, f'members.{i}'), where)


def _each(config: Mapping[str, Any], change: str) -> list[dict[str, Any]]:
    """Change each member's config by a class method of its type."""
    return [
        getattr(MODELS.get(member['type']), change)(member)
        for member in config['members']
    ]


def _build(member: AnomalyModel | dict) -> AnomalyModel:
    """Build a member; refuse options that belong to the ensemble."""
    if isinstance(member, dict):
        if member.get('data_preprocessor') is not None:
            raise ValueError(
                f'{member["type"]} as a member has a data_preprocessor of its '
                'own, but all members see the same images: give it to the '
                'ensemble'
            )
        member = MODELS.build(member)
    if not isinstance(member, AnomalyModel):
        raise TypeError(
            'expected a map generator as a member, got '
            f'{type(member).__name__}: give one such as PatchCore'
        )
    if member.false_alarm_rate is not None:
        raise ValueError(
            f'{type(member).__name__} as a member has '
            f'false_alarm_rate={member.false_alarm_rate}, but a threshold is '
            "that of the sum: set the ensemble's, and the member's to None"
        )
    return member
