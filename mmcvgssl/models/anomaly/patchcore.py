"""A memory of normal patches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmcvgssl.models.anomaly.coreset import PatchPool, greedy_coreset
from mmcvgssl.models.anomaly.equal_parts import in_equal_parts
from mmcvgssl.models.anomaly.fitting_images import FittingImages
from mmcvgssl.models.anomaly.neighbours import (
    distance_rounding,
    nearest_patches,
)
from mmcvgssl.models.anomaly.patch_features import PatchFeatures, as_rows
from mmcvgssl.models.anomaly.positions import (
    PositionPools,
    check_count,
    check_positions,
    check_size,
    memories_of,
)
from mmcvgssl.models.anomaly.state_forms import Form, Forms
from mmcvgssl.models.anomaly.tiled_images import TiledImages, predict_tiles
from mmcvgssl.models.anomaly.updatable import Updatable
from mmcvgssl.models.teachers import FrozenTeacher
from mmcvgssl.processes import tensors_of_first_process
from mmcvgssl.provenance import of_config
from mmcvgssl.registry import MODELS

METRICS = ('euclidean', 'cosine')
_THINNED = (
    'the memory was updated from the earlier memory, which had left patches '
    'out, and may differ from that of a fit to all images'
)
_IN_TILES = (
    'PatchCore with per_position=True compares a tile with the tiles at its '
    'position: expected images in tiles, got whole ones; set tile=512, take '
    'it out of an ensemble, or leave per_position out'
)


@MODELS.register_module()
class PatchCore(Updatable):
    """Distance of each patch to the nearest normal patch.

    Source: "Towards Total Recall in Industrial Anomaly Detection",
    https://arxiv.org/abs/2106.08265.

    Fitting reads the images once. It draws a uniform sample of at most
    ``pool_size`` patches, and chooses ``coreset_size`` of them by greedy
    k-centre.

    An update chooses of the earlier memory and the new patches. As long as
    the memory holds all earlier patches, that is a fit on all images;
    afterwards patches that the memory had left out cannot come back: each of
    them is no farther from the new memory than it was from the earlier one
    plus the radius of the new choice.

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
        neighbourhood: See :class:`PatchFeatures`.
        normalise: See :class:`PatchFeatures`.
        grid: See :class:`PatchFeatures`.
        seed: Seed of sample and coreset.
        **kwargs: Options of
            :class:`~mmcvgssl.models.anomaly.AnomalyModel`.

    Raises:
        ValueError: If an option is out of range.

    Example:
        >>> from mmpretrain.structures import DataSample
        >>> from mmcvgssl.models import HostTeacher
        >>> conv = nn.Conv2d(3, 8, 4, 4)
        >>> model = MODELS.build(
        ...     dict(
        ...         type='mmcvgssl.PatchCore',
        ...         teacher=HostTeacher(conv, input_size=32, levels=[0]),
        ...         coreset_size=64,
        ...     )
        ... )
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
        neighbourhood: int = 3,
        normalise: bool = True,
        grid: Sequence[int] | None = None,
        seed: int = 0,
        **kwargs,
    ) -> None:
        pool_size = pool_size or 10 * coreset_size
        if not 0 < coreset_size <= pool_size:
            raise ValueError(
                'expected 0 < coreset_size <= pool_size, got '
                f'{coreset_size} and {pool_size}'
            )
        if metric not in METRICS:
            raise ValueError(
                f'metric must be one of {METRICS}, got {metric!r}'
            )
        if neighbours < 1 or min(reweight, local_scale) < 0:
            raise ValueError(
                'expected neighbours >= 1, local_scale >= 0 and reweight >= '
                f'0, got {neighbours}, {local_scale} and {reweight}'
            )
        if not 0 <= top <= 1:
            raise ValueError(f'top is a share in [0, 1], got {top}')
        if reweight and top:
            raise ValueError(
                'reweight weighs the highest patch, so it does not go with '
                f'top={top}; set one of them to 0'
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
            **({'per_position': True} if per_position else {}),
            neighbourhood=neighbourhood,
            normalise=normalise,
            grid=None if grid is None else list(grid),
            seed=seed,
        )
        super().__init__(settings, **kwargs)
        self.features = PatchFeatures(teacher, neighbourhood, normalise, grid)
        self.note_weights(self.features.teacher)
        self.coreset_size, self.pool_size = coreset_size, pool_size
        self.metric, self.seed = metric, seed
        self.neighbours, self.reweight = neighbours, reweight
        self.local_scale, self.top = local_scale, top
        self.per_position = per_position

    def frozen(self) -> dict[str, nn.Module]:
        """Return the teacher."""
        return {'teacher': self.features.teacher}

    def predict_maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return distances [N, h, w] and their (re-weighted) maxima [N]."""
        if self.per_position:
            raise ValueError(_IN_TILES)
        return self._score(images, self.state)

    def _raw(
        self, inputs: Tensor | TiledImages, data_samples: Sequence
    ) -> tuple[Tensor, Tensor]:
        if not self.per_position:
            return super()._raw(inputs, data_samples)
        if not isinstance(inputs, TiledImages):
            raise ValueError(_IN_TILES)
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
        distances = self._as_metric(distances)
        if self.local_scale:
            distances = distances / state['scale'][indices]
        values = distances.mean(1).view(shape)
        if not self.reweight:
            return values, highest(values, self.top)
        peaks, highest_patch = values.flatten(1).max(1)
        first = torch.arange(shape[0], device=rows.device)
        at = highest_patch + first * shape[1] * shape[2]
        weights = self._weights(rows[at], indices[at, 0], memory)
        return values, peaks * weights

    def _weights(
        self, rows: Tensor, nearest: Tensor, memory: Tensor
    ) -> Tensor:
        """Weigh patches up whose memory patch is itself a rare one."""
        _, around = nearest_patches(memory[nearest], memory, self.reweight + 1)
        distances = (rows[:, None] - memory[around]).norm(dim=2)
        # the paper's scale: distances of features of width D grow by sqrt(D)
        scaled = distances / rows.shape[1] ** 0.5
        own = (rows - memory[nearest]).norm(dim=1) / rows.shape[1] ** 0.5
        return 1 - (own - scaled.logsumexp(1)).exp()

    def _add(self, images: FittingImages) -> None:
        if self.per_position:
            self._add_by_position(images)
            return
        pool = PatchPool(self.pool_size, self.seed)
        before = int(self.basis.get('seen', 0))
        earlier = self.state['memory'] if before else None
        self._pass(
            images,
            'fitting',
            lambda inputs, *_: self._rows(self.features(inputs)),
            pool.add,
            {'pool': pool},
        )

        def choose() -> dict[str, Tensor]:
            patches = pool.patches()
            if earlier is not None:
                patches = torch.cat([earlier, patches])
                if before > len(earlier):
                    self.remark(_THINNED)
            self.basis['seen'] = torch.tensor(before + pool.seen)
            chosen = greedy_coreset(patches, self.coreset_size, self.seed)
            self.state = {'memory': patches[chosen]}
            if self.local_scale:
                self.state['scale'] = self._local_scales(patches[chosen])
            return self.state

        self.state = tensors_of_first_process(choose, self.device)

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
                raise ValueError(_IN_TILES)
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
            size = max(self.coreset_size // len(pools.pools), 1)
            memories, scales, seen = [], [], 0
            for i, pool in enumerate(pools.pools):
                patches = pool.patches()
                if earlier:
                    patches = torch.cat([earlier[i]['memory'], patches])
                seen += pool.seen
                chosen = greedy_coreset(patches, size, self.seed)
                memories.append(patches[chosen])
                if self.local_scale:
                    scales.append(self._local_scales(memories[-1]))
            if earlier and before > len(self.state['memory']):
                self.remark(_THINNED)
            self.basis['seen'] = torch.tensor(before + seen)
            counts = torch.tensor([len(memory) for memory in memories])
            position = torch.arange(len(memories)).repeat_interleave(counts)
            state = {
                'memory': torch.cat(memories),
                'position': position,
                'image': torch.tensor(pools.image),
            }
            return state | ({'scale': torch.cat(scales)} if scales else {})

        self.state = tensors_of_first_process(choose, self.device)

    def state_forms(self, names: Iterable[str]) -> Forms:
        """Return the forms of memory [n, D] and its scales [n]."""
        forms = {'memory': Form(('n', sum(self.features.widths)))}
        if self.local_scale:
            forms['scale'] = Form(('n',))
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
        """Return the form of the number of patches that were seen."""
        return {'seen': Form((), torch.int64)}

    def rounding(self) -> tuple[float, float]:
        """Return what equal patches can differ by."""
        least = self._as_metric(
            torch.tensor(distance_rounding(self.state['memory']))
        )
        if self.local_scale:
            least = least / self.state['scale'].median().cpu()
        return float(least), float(least)

    def _local_scales(self, memory: Tensor) -> Tensor:
        """Mean distance of each patch of the memory to its neighbours."""
        k = self.local_scale
        distances, _ = nearest_patches(memory, memory, k + 1)
        own = self._as_metric(distances[:, 1:]).mean(1)
        # distances of equal patches are 0 up to rounding
        typical = float(own.median())
        least = float(self._as_metric(torch.tensor(distance_rounding(memory))))
        return own.clamp(min=1e-3 * typical if typical > least else least)

    def _rows(self, maps: Tensor) -> Tensor:
        rows = as_rows(maps)
        return F.normalize(rows, dim=1) if self.metric == 'cosine' else rows

    def _as_metric(self, distances: Tensor) -> Tensor:
        # of unit vectors, |a - b|^2 = 2 - 2 cos
        if self.metric == 'cosine':
            return distances.square() / 2
        return distances


def highest(maps: Tensor, share: float) -> Tensor:
    """Mean over a share of the highest patches of maps [N, h, w], [N]."""
    count = max(round(share * maps[0].numel()), 1)
    return maps.flatten(1).topk(count, dim=1).values.mean(1)


def describe(teacher: FrozenTeacher | dict) -> Any:
    """Name a teacher in settings that JSON can hold."""
    if isinstance(teacher, FrozenTeacher):
        return {
            'type': type(teacher).__name__,
            'levels': list(teacher.levels),
            'input_size': list(teacher.input_size),
            'interpolation': teacher.interpolation,
        }
    return of_config(teacher)
