"""Gaussians of normal patches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import torch
from sklearn.covariance import ledoit_wolf
from torch import Tensor, nn

from mmcvgssl.models.anomaly.coreset import PatchPool
from mmcvgssl.models.anomaly.fit_pass import EveryImage
from mmcvgssl.models.anomaly.fitted_state import part_of
from mmcvgssl.models.anomaly.fitting_images import FittingImages
from mmcvgssl.models.anomaly.gathered import Columns, Resumable
from mmcvgssl.models.anomaly.moments import Moments, moments_forms
from mmcvgssl.models.anomaly.patch_features import (
    PatchFeatures,
    as_grid,
    as_rows,
    describe,
)
from mmcvgssl.models.anomaly.state_forms import Form, Forms
from mmcvgssl.models.anomaly.tiled_images import TiledImages
from mmcvgssl.models.anomaly.updatable import Updatable
from mmcvgssl.models.anomaly.whitening import (
    largest_error,
    noise_of,
    whitening,
)
from mmcvgssl.models.teachers import FrozenTeacher
from mmcvgssl.processes import moved, tensors_of_first_process
from mmcvgssl.utils import check_least

_OLD_MEDIANS = (
    "the medians by which image_score='sum' divides are those of the first "
    'fit, and may differ from those of a fit to all images'
)
SCORES = ('max', 'pooled', 'sum')
_TYPICAL = 512  # number of images that measure the scale of a sum's terms


class PatchGaussian(Updatable):
    """Mahalanobis distance of each patch to Gaussians of normal patches.

    What :class:`MahalanobisAD` and :class:`PaDiM` have in common. An update
    adds to the sums of the fit, and gives what a fit to all images does; but
    the medians of ``image_score='sum'`` stay as they were.

    Args:
        teacher: A frozen teacher with ``levels``, or its config.
        channels: Channels of the joined levels to use, drawn by the seed; 0
            uses all.
        image_score: ``'max'`` of the map; ``'pooled'``: sum over levels of
            the Mahalanobis distance of mean- and max-pooled features;
            ``'sum'``: both, each divided by its median over the first 512
            fitting images.
        pooled_images: Images that the Gaussians of pooled features are
            fitted to at most.
        ridge: Added to the diagonal, as a share of the mean variance.
        neighbourhood: See :class:`PatchFeatures`.
        normalise: See :class:`PatchFeatures`.
        grid: See :class:`PatchFeatures`.
        seed: Of channels and samples.
        **kwargs: Of :class:`~mmcvgssl.models.anomaly.AnomalyModel`.

    Attributes:
        shared: Whether there is one Gaussian for all positions, or one for
            each.

    Raises:
        ValueError: If an option is out of range.
    """

    shared: bool
    needs_fit = True

    def __init__(
        self,
        teacher: FrozenTeacher | dict,
        channels: int = 0,
        image_score: str = 'max',
        pooled_images: int = 10_000,
        ridge: float = 0.01,
        neighbourhood: int = 3,
        normalise: bool = False,
        grid: Sequence[int] | str | None = None,
        seed: int = 0,
        **kwargs,
    ) -> None:
        if image_score not in SCORES:
            raise ValueError(
                f'image_score must be one of {SCORES}, got {image_score!r}'
            )
        check_least(
            channels=(channels, 0),
            pooled_images=(pooled_images, 2),
            seed=(seed, 0),
        )
        if ridge < 0:
            raise ValueError(f'expected ridge >= 0, got {ridge}')
        settings = dict(
            teacher=describe(teacher),
            channels=channels,
            image_score=image_score,
            pooled_images=pooled_images,
            ridge=ridge,
            neighbourhood=neighbourhood,
            normalise=normalise,
            grid=as_grid(grid),
            seed=seed,
        )
        super().__init__(settings, **kwargs)
        self.features = PatchFeatures(teacher, neighbourhood, normalise, grid)
        self.note_weights(self.features.teacher)
        self.channels, self.ridge = channels, ridge
        self.image_score, self.pooled_images = image_score, pooled_images
        self.seed = seed

    def frozen(self) -> dict[str, nn.Module]:
        """Return the teacher."""
        return {'teacher': self.features.teacher}

    def predict_maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return distances [N, h, w] and image scores [N]."""
        levels = self.features.teacher.local_features(images)
        maps = self._distances(self._join(levels))
        peaks = maps.flatten(1).amax(1)
        if self.image_score == 'max':
            return maps, peaks
        pooled = self._pooled_distance(levels)
        if self.image_score == 'pooled':
            return maps, pooled
        typical = self.state['typical']
        return maps, peaks / typical[0] + pooled / typical[1]

    def _join(self, levels: Sequence[Tensor]) -> Tensor:
        maps = self.features.join(levels)
        if not self.channels or self.channels >= maps.shape[1]:
            return maps
        chosen = _draw_channels(maps.shape[1], self.channels, self.seed)
        return maps[:, torch.tensor(chosen, device=maps.device)]

    def _distances(self, maps: Tensor) -> Tensor:
        mean, whiten = self.state['mean'], self.state['whiten']
        # len() would make the number of images a constant of a graph
        shape = (maps.shape[0], *maps.shape[-2:])
        if self.shared:
            white = (as_rows(maps) - mean[0]) @ whiten[0]
            return white.norm(dim=1).view(shape)
        centred = maps.flatten(2).permute(2, 0, 1) - mean[:, None]
        return torch.bmm(centred, whiten).norm(dim=2).T.reshape(shape)

    def _pooled_distance(self, levels: Sequence[Tensor]) -> Tensor:
        total = levels[0].new_zeros(levels[0].shape[0])
        for i, rows in enumerate(_pool(levels)):
            centred = rows - self.state[f'pooled_mean.{i}']
            total += (centred @ self.state[f'pooled_whiten.{i}']).norm(dim=1)
        return total

    def _add(self, images: FittingImages) -> None:
        pooled = [
            PatchPool(self.pooled_images, self.seed)
            for _ in range(0 if self.image_score == 'max' else self._pools)
        ]
        known = moved(self.basis, self.device)
        if known:
            moments = Moments.unpacked(part_of(known, 'moments'))
            for i, pool in enumerate(pooled):
                pool.load_state_dict(part_of(known, f'pool.{i}'))
        else:
            moments = Moments(self._origin(images))
        typical = self.state.get('typical')

        def compute(inputs: Tensor, *_: Any) -> tuple:
            levels = self.features.teacher.local_features(inputs)
            rows = self._rows_by_position(levels)
            # of one Gaussian the sums are smaller than the rows, of those of
            # all positions the rows are
            made = moments.sums(rows) if self.shared else rows
            return made, _pool(levels) if pooled else []

        def take(made: tuple) -> None:
            sums, pools = made
            moments.add(*(sums if self.shared else moments.sums(sums)))
            for pool, values in zip(pooled, pools, strict=True):
                pool.add(values)

        parts: dict[str, Resumable] = {'moments': moments}
        parts |= {f'pool.{i}': pool for i, pool in enumerate(pooled)}
        self._pass(images, 'fitting', compute, take, parts)
        self.basis |= moved(_basis(moments, pooled), 'cpu')
        self.state = tensors_of_first_process(
            lambda: self._state(moments, pooled), self.device
        )
        if typical is not None:
            self.state['typical'] = typical
            self.remark(_OLD_MEDIANS)
        elif self.image_score == 'sum':
            self._measure_typical(images)

    def _origin(self, images: FittingImages) -> Tensor:
        """Guess the mean [p, 1, D] from the first batch."""
        guess = Columns()

        def compute(inputs: Tensor | TiledImages, samples: list, _: Any):
            if isinstance(inputs, TiledImages):
                inputs = next(inputs.parts(samples))[0]
            levels = self.features.teacher.local_features(inputs)
            return (
                self._rows_by_position(levels).double().mean(1, keepdim=True)
            )

        def take(origin: Tensor) -> None:
            if 'origin' not in guess:  # the first image in tiles is enough
                guess.add(origin=origin)

        self._pass(
            images,
            'centring',
            compute,
            take,
            {'guess': guess},
            EveryImage(batches=1),
            whole=True,
        )
        return tensors_of_first_process(
            lambda: {'origin': guess['origin']}, self.device
        )['origin']

    def _rows_by_position(self, levels: Sequence[Tensor]) -> Tensor:
        """Lay out features as [p, n, D]: p is 1, or all positions."""
        maps = self._join(levels)
        if self.shared:
            return as_rows(maps)[None]
        return maps.flatten(2).permute(2, 0, 1)

    @property
    def _pools(self) -> int:
        return 2 * len(self.features.widths)

    def _state(
        self, moments: Moments, pooled: Sequence[PatchPool]
    ) -> dict[str, Tensor]:
        """Return the Gaussians of positions and of pooled levels."""
        mean, covariance = moments.result()
        noise = noise_of(mean, covariance)
        whiten = whitening(covariance, self.ridge, noise)
        state = {
            'mean': mean.float(),
            'whiten': whiten,
            'rounding': largest_error(whiten, noise).cpu()[None],
        }
        for i, pool in enumerate(pooled):
            rows = pool.patches().double().cpu()
            if len(rows) < 2:
                raise ValueError(
                    f'image_score={self.image_score!r} needs the features of '
                    f'at least 2 good images, got {len(rows)}; give more '
                    "images, or set image_score='max'"
                )
            centre = rows.mean(0)
            shrunk, _ = ledoit_wolf(
                (rows - centre).numpy(), assume_centered=True
            )
            spread = torch.from_numpy(shrunk)[None]
            noise = noise_of(centre[None], spread)
            whiten = whitening(spread, 0.0, noise)
            step = largest_error(whiten, noise).cpu()[None]
            state['rounding'] = torch.cat([state['rounding'], step])
            device = mean.device
            state[f'pooled_mean.{i}'] = centre.float().to(device)
            state[f'pooled_whiten.{i}'] = whiten[0].to(device)
        return state

    def _measure_typical(self, images: FittingImages) -> None:
        """Measure the median distances of the first images."""
        found = Columns()

        def compute(inputs: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
            levels = self.features.teacher.local_features(inputs)
            maps = self._distances(self._join(levels))
            return maps.flatten(1).amax(1), self._pooled_distance(levels)

        def settle() -> dict[str, Tensor]:
            # distances of equal images are 0 up to rounding
            medians = [
                found[name].median().clamp(min=least)
                for name, least in zip(
                    ('peaks', 'pooled'), self._roundings(), strict=True
                )
            ]
            return {**self.state, 'typical': torch.stack(medians)}

        self._pass(
            images,
            'measuring',
            compute,
            lambda made: found.add(peaks=made[0], pooled=made[1]),
            {'found': found},
            EveryImage(images=_TYPICAL),
        )
        self.state = tensors_of_first_process(settle, self.device)

    def state_forms(self, names: Iterable[str]) -> Forms:
        """Return the forms of Gaussians of positions and of pooled levels."""
        widths = self.features.widths
        width = min(self.channels or sum(widths), sum(widths))
        pooled = () if self.image_score == 'max' else (*widths, *widths)
        positions: int | str = 1 if self.shared else 'p'
        forms = {
            'mean': Form((positions, width)),
            'whiten': Form((positions, width, width)),
            'rounding': Form((1 + len(pooled),)),
        }
        for i, size in enumerate(pooled):
            forms[f'pooled_mean.{i}'] = Form((size,))
            forms[f'pooled_whiten.{i}'] = Form((size, size))
        if self.image_score == 'sum':
            forms['typical'] = Form((2,))
        return forms

    def basis_forms(self, names: Iterable[str]) -> Forms:
        """Return the forms of sums over patches, and of pooled features."""
        widths = self.features.widths
        width = min(self.channels or sum(widths), sum(widths))
        positions: int | str = 1 if self.shared else 'p'
        forms = moments_forms(positions, width)
        pooled = () if self.image_score == 'max' else (*widths, *widths)
        for i, size in enumerate(pooled):
            forms |= {
                f'pool.{i}.seen': Form((), torch.int64),
                f'pool.{i}.random': Form(('random',), torch.uint8),
                f'pool.{i}.least': Form((), torch.float64),
                f'pool.{i}.keys': Form(('images',), torch.float64),
                f'pool.{i}.rows': Form(('images', size)),
            }
        return forms

    def rounding(self) -> tuple[float, float]:
        """Return the largest rounding errors of maps and scores."""
        of_maps, of_pooled = self._roundings()
        if self.image_score == 'max':
            return of_maps, of_maps
        if self.image_score == 'pooled':
            return of_maps, of_pooled
        parts = torch.tensor([of_maps, of_pooled])
        return of_maps, float((parts / self.state['typical'].cpu()).sum())

    def _roundings(self) -> tuple[float, float]:
        steps = self.state['rounding']
        return float(steps[0]), float(steps[1:].sum())


def _basis(moments: Moments, pooled: Sequence[PatchPool]) -> dict[str, Tensor]:
    """Return what an update goes on from."""
    parts = {'moments': moments.packed()}
    parts |= {f'pool.{i}': p.state_dict() for i, p in enumerate(pooled)}
    return {
        f'{name}.{key}': value
        for name, part in parts.items()
        for key, value in part.items()
    }


@lru_cache(maxsize=16)
def _draw_channels(width: int, count: int, seed: int) -> tuple[int, ...]:
    """Draw channels by a seed, in order."""
    random = torch.Generator().manual_seed(seed)
    order = torch.randperm(width, generator=random)
    return tuple(order[:count].sort().values.tolist())


def _pool(levels: Sequence[Tensor]) -> list[Tensor]:
    """Mean- and max-pool each level [N, C, h, w] to [N, C]."""
    means = [level.mean(dim=(2, 3)) for level in levels]
    return means + [level.amax(dim=(2, 3)) for level in levels]
