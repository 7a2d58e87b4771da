"""A memory of normal patches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmcvgssl.models.anomaly.coreset import PatchPool, greedy_coreset
from mmcvgssl.models.anomaly.equal_parts import in_equal_parts
from mmcvgssl.models.anomaly.fitted_state import part_of
from mmcvgssl.models.anomaly.fitting_images import FittingImages
from mmcvgssl.models.anomaly.gathered import Resumable
from mmcvgssl.models.anomaly.image_scores import highest, rarity
from mmcvgssl.models.anomaly.memory import (
    METRICS,
    as_metric,
    choose_by_position,
    local_scales,
)
from mmcvgssl.models.anomaly.moments import Moments, moments_forms
from mmcvgssl.models.anomaly.neighbours import (
    distance_rounding,
    nearest_patches,
)
from mmcvgssl.models.anomaly.patch_features import (
    PatchFeatures,
    as_grid,
    as_rows,
    describe,
)
from mmcvgssl.models.anomaly.positions import (
    IN_TILES,
    PositionPools,
    check_count,
    check_positions,
    check_size,
    memories_of,
)
from mmcvgssl.models.anomaly.state_forms import Form, Forms
from mmcvgssl.models.anomaly.tiled_images import TiledImages, predict_tiles
from mmcvgssl.models.anomaly.updatable import Updatable
from mmcvgssl.models.anomaly.whitening import (
    restored,
    whitened,
    whitening_of,
)
from mmcvgssl.models.teachers import FrozenTeacher
from mmcvgssl.processes import moved, tensors_of_first_process
from mmcvgssl.registry import MODELS
from mmcvgssl.utils import check_least

_RIDGE = 0.01  # of the mean variance, as PatchGaussian's default
_THINNED = (
    'the memory was updated from the earlier memory, which had left patches '
    'out, and may differ from that of a fit to all images'
)


@MODELS.register_module()
class PatchCore(Updatable):
    """Distance of each patch to the nearest normal patch.

    Source: "Towards Total Recall in Industrial Anomaly Detection",
    https://arxiv.org/abs/2106.08265.

    Fitting reads the images once, draws at most ``pool_size`` patches
    uniformly, and chooses ``coreset_size`` of them by greedy k-centre. An
    update chooses of the earlier memory and the new patches: as long as that
    holds all earlier ones, it is a fit on all images. Later, patches that
    were left out cannot come back: each is no farther from the new memory
    than from the earlier one plus the radius of the new choice.

    Args:
        teacher: A frozen teacher with ``levels``, or its config.
        coreset_size: Patches in the memory.
        pool_size: Patches to choose from; ten times as many by default.
        metric: ``'euclidean'``, or ``'cosine'`` (1 - cosine).
        neighbours: Average over so many nearest patches.
        local_scale: Number of neighbours of the nearest memory patch. The
            distance is divided by the mean distance of that patch to them,
            so that rare textures count no more than common ones; 0: not.
        top: Share of an image's highest patches whose mean is its score; 0:
            the highest patch alone.
        reweight: Number of neighbours of the memory patch by which the image
            score is re-weighted, as in the paper; 0: no re-weighting.
        per_position: For parts that lie alike in all images, which have one
            size: a memory for each position of a tile, ``coreset_size``
            patches in all, and a tile is compared with its own; else one
            memory for all tiles.
        whiten: Compare by the Mahalanobis distance of the fitting patches, of
            which two are 1 apart, as a root mean square.
        neighbourhood: See :class:`PatchFeatures`.
        normalise: See :class:`PatchFeatures`.
        grid: See :class:`PatchFeatures`.
        count_include_pad: See :class:`PatchFeatures`.
        seed: Seed of sample and coreset.
        **kwargs: Options of
            :class:`~mmcvgssl.models.anomaly.AnomalyModel`.

    Raises:
        ValueError: If an option is out of range.

    Example:
        >>> from mmpretrain.structures import DataSample
        >>> from mmcvgssl.models import HostTeacher
        >>> conv = nn.Conv2d(3, 8, 4, 4)
        >>> teacher = HostTeacher(conv, input_size=32, levels=[0])
        >>> model = PatchCore(teacher, coreset_size=64)
        >>> good = torch.randint(256, (4, 3, 32, 32), dtype=torch.uint8)
        >>> samples = [DataSample() for _ in good]
        >>> model.fit([dict(inputs=list(good), data_samples=samples)])
        >>> maps, scores = model(torch.rand(2, 3, 32, 32))
        >>> maps.shape, scores.shape
        (torch.Size([2, 8, 8]), torch.Size([2]))
    """

    needs_fit = True

    def __init__(
        self,
        teacher: FrozenTeacher | dict,
        coreset_size: int = 10_000,
        pool_size: int | None = None,
        metric: str = 'euclidean',
        neighbours: int = 1,
        local_scale: int = 0,
        top: float = 0.0,
        reweight: int = 0,
        per_position: bool = False,
        whiten: bool = False,
        neighbourhood: int = 3,
        normalise: bool = True,
        grid: Sequence[int] | str | None = None,
        count_include_pad: bool = False,
        seed: int = 0,
        **kwargs,
    ) -> None:
        pool_size = pool_size or 10 * coreset_size
        check_least(
            coreset_size=(coreset_size, 1),
            pool_size=(pool_size, coreset_size),
            neighbours=(neighbours, 1),
            local_scale=(local_scale, 0),
            reweight=(reweight, 0),
            seed=(seed, 0),
        )
        if metric not in METRICS:
            raise ValueError(
                f'metric must be one of {METRICS}, got {metric!r}'
            )
        if not 0 <= top <= 1:
            raise ValueError(f'top is a share in [0, 1], got {top}')
        if reweight and top:
            raise ValueError(
                'reweight weighs the highest patch, so it does not go with '
                f'top={top}; set one of them to 0'
            )
        if whiten and (metric == 'cosine' or per_position):
            raise ValueError(
                'whiten=True is a metric of all positions: it does not go '
                f'with metric={metric!r} and per_position={per_position}; set '
                "'euclidean' and False, or leave whiten out"
            )
        flags = dict(
            per_position=per_position,
            whiten=whiten,
            count_include_pad=count_include_pad,
        )
        settings = dict(
            teacher=describe(teacher),
            coreset_size=coreset_size,
            pool_size=pool_size,
            metric=metric,
            neighbours=neighbours,
            local_scale=local_scale,
            top=top,
            reweight=reweight,
            **{name: True for name, on in flags.items() if on},
            neighbourhood=neighbourhood,
            normalise=normalise,
            grid=as_grid(grid),
            seed=seed,
        )
        super().__init__(settings, **kwargs)
        self.features = PatchFeatures(
            teacher, neighbourhood, normalise, grid, count_include_pad
        )
        self.note_weights(self.features.teacher)
        self.coreset_size, self.pool_size = coreset_size, pool_size
        self.metric, self.seed = metric, seed
        self.neighbours, self.reweight = neighbours, reweight
        self.local_scale, self.top = local_scale, top
        self.per_position, self.whiten = per_position, whiten

    def frozen(self) -> dict[str, nn.Module]:
        """Return the teacher."""
        return {'teacher': self.features.teacher}

    def predict_maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return distances [N, h, w] and their (re-weighted) maxima [N]."""
        if self.per_position:
            raise ValueError(IN_TILES)
        return self._score(images, self.state)

    def _raw(
        self, inputs: Tensor | TiledImages, data_samples: Sequence
    ) -> tuple[Tensor, Tensor]:
        if not self.per_position:
            return super()._raw(inputs, data_samples)
        if not isinstance(inputs, TiledImages):
            raise ValueError(IN_TILES)
        memories = memories_of(self.state)
        for grid, sample in zip(inputs.grids, data_samples, strict=True):
            # what stands for an image that cannot be read has no positions
            if not sample.get('unreadable'):
                path = sample.get('img_path', 'an image')
                check_size(grid, self.state['image'].tolist(), path)
                check_count(grid, len(memories), path)
        # tiles come in the order of their positions, image by image
        order = iter([i for grid in inputs.grids for i in range(len(grid))])

        def score(tiles: Tensor, _: list) -> tuple[Tensor, Tensor]:
            made = [
                self._score(tile[None], memories[next(order)])
                for tile in tiles
            ]
            maps, scores = zip(*made, strict=True)
            return torch.cat(maps), torch.cat(scores)

        def predict(tiles: Tensor, owners: list) -> tuple[Tensor, Tensor]:
            maps, scores = in_equal_parts(tiles, owners, score)
            return maps, scores

        return predict_tiles(inputs, data_samples, predict)

    def _score(
        self, images: Tensor, state: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        maps = self.features(images)
        rows, memory = self._rows(maps), state['memory']
        distances, indices = nearest_patches(rows, memory, self.neighbours)
        shape = (maps.shape[0], *maps.shape[-2:])
        distances = as_metric(distances, self.metric)
        if self.local_scale:
            distances = distances / state['scale'][indices]
        values = distances.mean(1).view(shape)
        if not self.reweight:
            return values, highest(values, self.top)
        peaks, highest_patch = values.flatten(1).max(1)
        first = torch.arange(shape[0], device=rows.device)
        at = highest_patch + first * shape[1] * shape[2]
        weights = rarity(rows[at], indices[at, 0], memory, self.reweight)
        return values, peaks * weights

    def _add(self, images: FittingImages) -> None:
        if self.per_position:
            self._add_by_position(images)
            return
        pool = PatchPool(self.pool_size, self.seed)
        before = int(self.basis.get('seen', 0))
        earlier = self.state['memory'] if before else None
        if earlier is not None and self.whiten:
            earlier = restored(earlier, self.state)
        known = moved(part_of(self.basis, 'moments'), self.device)
        moments = Moments.going_on(
            known, sum(self.features.widths), self.device
        )

        def compute(inputs: Tensor, *_: Any) -> tuple:
            rows = self._unit(as_rows(self.features(inputs)))
            return rows, moments.sums(rows[None]) if self.whiten else ()

        def take(made: tuple) -> None:
            pool.add(made[0])
            if self.whiten:
                moments.add(*made[1])

        parts: dict[str, Resumable] = {'pool': pool}
        parts |= {'moments': moments} if self.whiten else {}
        self._pass(images, 'fitting', compute, take, parts)

        def choose() -> dict[str, Tensor]:
            patches, space = pool.patches(), {}
            if earlier is not None:
                patches = torch.cat([earlier, patches])
                if before > len(earlier):
                    self.remark(_THINNED)
            if self.whiten:
                space = whitening_of(moments, _RIDGE)
                patches = whitened(patches, space)
            self.basis['seen'] = torch.tensor(before + pool.seen)
            chosen = greedy_coreset(patches, self.coreset_size, self.seed)
            self.state = {'memory': patches[chosen], **space}
            if self.local_scale:
                self.state['scale'] = self._scales(patches[chosen])
            return self.state

        self.state = tensors_of_first_process(choose, self.device)
        if self.whiten:
            packed = moved(moments.packed(), 'cpu')
            self.basis |= {f'moments.{k}': v for k, v in packed.items()}

    def _add_by_position(self, images: FittingImages) -> None:
        """Choose a memory for each position of a tile."""
        before = int(self.basis.get('seen', 0))
        earlier = memories_of(self.state) if before else []
        known = self.state['image'].tolist() if before else None
        pools = PositionPools(self.pool_size, self.seed, known)

        def describe_tiles(
            inputs: Tensor | TiledImages, samples: list, _: Any
        ) -> tuple[Any, Any, list[Tensor]]:
            if not isinstance(inputs, TiledImages):  # a single one
                raise ValueError(IN_TILES)
            rows = [
                self._rows(self.features(tile[None]))
                for tiles, _ in inputs.parts(samples)
                for tile in tiles
            ]
            path = samples[0].get('img_path', 'an image')
            return path, inputs.grids[0], rows

        self._pass(
            images,
            'fitting',
            describe_tiles,
            pools.add,
            {'pools': pools},
            whole=True,
        )

        def choose() -> dict[str, Tensor]:
            if earlier and before > len(self.state['memory']):
                self.remark(_THINNED)
            seen = sum(pool.seen for pool in pools.pools)
            self.basis['seen'] = torch.tensor(before + seen)
            scales = self._scales if self.local_scale else None
            return choose_by_position(
                pools, earlier, self.coreset_size, self.seed, scales
            )

        self.state = tensors_of_first_process(choose, self.device)

    def state_forms(self, names: Iterable[str]) -> Forms:
        """Return the forms of memory [n, D] and its scales [n]."""
        forms = {'memory': Form(('n', sum(self.features.widths)))}
        if self.local_scale:
            forms['scale'] = Form(('n',))
        if self.whiten:
            width = sum(self.features.widths)
            forms |= {
                'mean': Form((width,)),
                'whiten': Form((width, width)),
                'rounding': Form((1,)),
            }
        if self.per_position:
            forms['position'] = Form(('n',), torch.int64)
            forms['image'] = Form((2,), torch.int64)
        return forms

    def _take(
        self, tensors: Mapping[str, Tensor], where: str = 'the state'
    ) -> None:
        """Take what :meth:`_tensors` gave, if its positions are in order."""
        if self.per_position:
            check_positions(tensors['state.position'], where)
        super()._take(tensors, where)

    def basis_forms(self, names: Iterable[str]) -> Forms:
        """Return the forms of the number of patches, and of their sums."""
        forms = {'seen': Form((), torch.int64)}
        if self.whiten:
            forms |= moments_forms(1, sum(self.features.widths))
        return forms

    def rounding(self) -> tuple[float, float]:
        """Return what equal patches can differ by."""
        least = as_metric(
            torch.tensor(distance_rounding(self.state['memory'])), self.metric
        )
        if self.whiten:
            least = least + self.state['rounding'][0].cpu()
        if self.local_scale:
            least = least / self.state['scale'].median().cpu()
        return float(least), float(least)

    def _scales(self, memory: Tensor) -> Tensor:
        return local_scales(memory, self.local_scale, self.metric)

    def _rows(self, maps: Tensor) -> Tensor:
        rows = self._unit(as_rows(maps))
        return whitened(rows, self.state) if self.whiten else rows

    def _unit(self, rows: Tensor) -> Tensor:
        return F.normalize(rows, dim=1) if self.metric == 'cosine' else rows
