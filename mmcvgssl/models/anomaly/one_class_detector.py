"""A backbone's features and their density on good images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmcvgssl.models.anomaly.anomaly_model import AnomalyModel
from mmcvgssl.models.anomaly.blocks import place_in_block
from mmcvgssl.models.anomaly.contribution_map import contribution_map
from mmcvgssl.models.anomaly.density import make_density, score_rows
from mmcvgssl.models.anomaly.equal_parts import in_equal_parts
from mmcvgssl.models.anomaly.fitted_state import as_settings
from mmcvgssl.models.anomaly.fitting_images import FittingImages
from mmcvgssl.models.anomaly.fold_rows import (
    FoldRows,
    Folds,
    fit_density,
    fit_without_each,
    join_tiles,
    predict_in_folds,
    split,
)
from mmcvgssl.models.anomaly.patch_grid import PatchGrid
from mmcvgssl.models.anomaly.state_forms import Form, Forms
from mmcvgssl.models.anomaly.threshold_choice import (
    CROSS_FIT,
    HELD_OUT,
    IN_SAMPLE,
    cross_fit_note,
)
from mmcvgssl.models.anomaly.tiled_images import TiledImages, predict_tiles
from mmcvgssl.models.layers import channel_scales, global_pool
from mmcvgssl.processes import tensors_of_first_process
from mmcvgssl.registry import MODELS
from mmcvgssl.utils import check_least
from mmcvgssl.weights import load
from mmcvgssl.weights.pretrained import initialize

_CHUNK = 512  # number of patches in a forward pass


@MODELS.register_module()
class OneClassDetector(AnomalyModel):
    """Distance of an image's embedding from those of good images.

    Source: "CutPaste: Self-Supervised Learning for Anomaly Detection and
    Localization", https://arxiv.org/abs/2104.04015. Embeddings are the
    backbone's last output, pooled and L2-normalised.

    The map of a whole image: with p the mean of the last features F [C, h, w]
    and g the gradient of the score with respect to p, the value at a position
    is ``max(0, g · (F - p̄))``, where p̄ is the mean p of good images. Without
    the maximum, the values' mean is the linear estimate of how much the score
    exceeds that of p̄. Backbones whose output has no positions give maps of one
    value, the score.

    With ``patch``, each patch of a dense grid is scored as an image, for
    backbones trained on patches; the map is their smoothed scores, and an
    image's score the map's maximum.

    The threshold is chosen on held-out good images, if they are given
    (``held_out`` of :meth:`fit`). Otherwise each fitting image is scored by a
    density that was fitted to the other folds; this is valid as long as the
    backbone was not trained on the fitting images. ``chosen`` names the way.

    Args:
        backbone: A backbone or its config.
        checkpoint: Its weights, or those of a model that holds it; by default
            its own initialisation, as ``weights`` of
            :class:`TimmBackbone`.
        mean: Mean of RGB channels in [0, 255], as in training.
        std: Standard deviation of RGB channels in [0, 255], as in training.
        density: ``'gaussian'`` or ``'kde'``.
        bandwidth: Bandwidth of the kernel density (``'kde'``).
        patch: Options of :class:`PatchGrid`, with ``shared``: one Gaussian
            for all positions (default), or one for each, which needs
            ``C * (C + 1)`` numbers a position; and ``pool``: patches that the
            shared one is fitted to at most (default 50,000).
        false_alarm_rate: Wanted share of good images above the threshold;
            None: no threshold.
        folds: Parts that the fitting images are divided into for it, where
            none are held out.
        holdout: Share of the good images that neither training nor fitting
            by mmcvgssl one-class sees, for the threshold; 0: none. What is
            not trained needs none.
        init_backbone: Initialise or load the backbone; not needed before
            fitted state is loaded.
        **kwargs: Options of :class:`AnomalyModel`.

    Raises:
        ValueError: If an option is out of range.
        FileNotFoundError: If the checkpoint is missing.
        mmcvgssl.weights.KeyMismatchError: If it does not fit.

    Example:
        >>> from mmpretrain.structures import DataSample
        >>> model = MODELS.build(
        ...     dict(
        ...         type='mmcvgssl.OneClassDetector',
        ...         backbone=nn.Conv2d(3, 8, 4, 4),
        ...         false_alarm_rate=0.1,
        ...     )
        ... )
        >>> good = torch.randint(256, (12, 3, 32, 32), dtype=torch.uint8)
        >>> samples = [DataSample(img_path=f'{i}.png') for i in range(12)]
        >>> model.fit([dict(inputs=list(good), data_samples=samples)])
        >>> sample = model(torch.rand(1, 3, 32, 32), mode='predict')[0]
        >>> sample.anomaly_map.shape, 'threshold' in sample
        (torch.Size([8, 8]), True)
    """

    needs_fit = True

    def __init__(
        self,
        backbone: dict | nn.Module,
        checkpoint: str | None = None,
        mean: Sequence[float] = (123.675, 116.28, 103.53),
        std: Sequence[float] = (58.395, 57.12, 57.375),
        density: str = 'gaussian',
        bandwidth: float = 1.0,
        patch: dict | None = None,
        false_alarm_rate: float | None = 0.05,
        folds: int = 5,
        holdout: float = 0.2,
        init_backbone: bool = True,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        check_least(folds=(folds, 2))
        if not 0 <= holdout < 1:
            raise ValueError(
                f'holdout is a share of 0 or more below 1, got {holdout}'
            )
        if patch is not None and density != 'gaussian':
            raise ValueError(
                f'patches are scored by a Gaussian, got density={density!r}'
            )
        net: Any = (
            MODELS.build(backbone) if isinstance(backbone, dict) else backbone
        )
        settings = dict(
            backbone=as_settings(backbone),
            mean=list(mean),
            std=list(std),
            density=density,
            bandwidth=bandwidth,
            patch=None if patch is None else as_settings(patch),
            false_alarm_rate=false_alarm_rate,
            folds=folds,
            holdout=holdout,
        )
        super().__init__(
            settings,
            data_preprocessor=data_preprocessor,
            init_cfg=init_cfg,
            false_alarm_rate=false_alarm_rate,
        )
        options = dict(patch or {})
        self.shared = options.pop('shared', True)
        self.pool = options.pop('pool', 50_000)
        check_least(pool=(self.pool, 1))
        self.grid = None if patch is None else PatchGrid(**options)
        self.density = make_density(density, bandwidth)
        self.folds = folds
        self._fold_rows: list[FoldRows] = []  # between fitting and measuring
        self._weights = checkpoint or ''
        # whether the backbone is known to be trained on the fitting images
        self.knows_fit_images = False
        for name, value in channel_scales(mean, std).items():
            self.register_buffer(name, value, persistent=False)
        self.backbone = net
        if init_backbone:
            if checkpoint:
                load(net, checkpoint)
            elif isinstance(backbone, dict):
                initialize(net)
            self.note_weights(net)
        net.requires_grad_(False).eval()

    mean: Tensor
    std: Tensor

    def init_weights(self) -> None:
        """Do nothing: the constructor has loaded the weights."""

    def train(self, mode: bool = True) -> OneClassDetector:
        """Stay in eval mode."""
        return super().train(False)

    def frozen(self) -> dict[str, nn.Module]:
        """Return the backbone."""
        return {'backbone': self.backbone}

    @classmethod
    def for_file(cls, config: dict[str, Any]) -> dict[str, Any]:
        """Return the config of a detector that gets weights from a file."""
        named = 'weights' in config['backbone']  # an installed package
        return {**config, 'init_backbone': named}

    @torch.no_grad()
    def embed(self, images: Tensor) -> Tensor:
        """Return embeddings [N, P, C] of RGB images [N, 3, H, W] in [0, 1].

        P is 1, or the number of patches.
        """
        if self.grid is None:
            return F.normalize(self._features(images)[1])[:, None]
        cut = self.grid.cut(images)
        if torch.onnx.is_in_onnx_export():
            # a graph takes any number of images, so it has no loop over them
            unit = F.normalize(self._features(cut.flatten(0, 2))[1])
            return unit.unflatten(0, (-1, cut.shape[1] * cut.shape[2]))
        rows = [
            F.normalize(self._features(part)[1])
            for patches in cut  # the copies of one image at a time
            for part in patches.flatten(0, 1).split(_CHUNK)
        ]
        return torch.cat(rows).view(len(images), -1, rows[0].shape[1])

    def predict_maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return maps [N, h, w] and scores [N]."""
        return self._score(images, self.state)[:2]

    def _predict(
        self, images: Tensor, data_samples: Sequence
    ) -> tuple[Tensor, Tensor]:
        maps, scores, rows = self._score(images, self.state)
        for sample, row in zip(data_samples, rows, strict=True):
            sample.set_field(row.mean(0), 'embedding')
        return maps, scores

    def _raw(
        self, inputs: Tensor | TiledImages, data_samples: Sequence
    ) -> tuple[Tensor, Tensor]:
        if isinstance(inputs, TiledImages):
            return self._score_tiles(inputs, data_samples, self.state)
        return super()._raw(inputs, data_samples)

    def _score_tiles(
        self,
        images: TiledImages,
        samples: Sequence,
        state: Mapping[str, Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Return maps and scores of images in tiles.

        Data samples get the mean embedding of the tiles.
        """
        sums = {id(sample): torch.zeros(1) for sample in samples}

        def score(tiles: Tensor, owners: list) -> tuple[Tensor, Tensor]:
            maps, scores, rows = self._alike(tiles, state)
            known = sums[id(owners[0])].to(rows)
            sums[id(owners[0])] = known + rows.mean(1).sum(0)
            return maps, scores

        made = predict_tiles(images, samples, score)
        for sample, tiles in zip(samples, images.images, strict=True):
            sample.set_field(sums[id(sample)] / len(tiles), 'embedding')
        return made

    def _alike(
        self, images: Tensor, state: Mapping[str, Tensor]
    ) -> tuple[Tensor, ...]:
        """Score images as :meth:`predict` does."""
        return in_equal_parts(
            images, list(images), lambda part, _: self._score(part, state)
        )

    def _features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the backbone's last output and its pooled form [N, C]."""
        out = self.backbone((images * 255 - self.mean) / self.std)
        last = out if isinstance(out, Tensor) else out[-1]
        return last.float(), global_pool(last).float()

    def _score(
        self, images: Tensor, state: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return maps [N, h, w], scores [N] and embeddings [N, P, C]."""
        if self.grid is None:
            last, pooled = self._features(images)
            rows = F.normalize(pooled)
            scores = self.density.score(rows, dict(state))
            maps = contribution_map(
                last,
                pooled,
                scores,
                lambda unit: self.density.slope(unit, dict(state)),
                state['centre'],
            )
            return maps, scores, rows[:, None]
        rows = self.embed(images)
        grid = self.grid.cut(images[:1]).shape[1:3]
        scores = score_rows(self.density, rows, state, self._by_position)
        maps = self.grid.smooth(
            scores.unflatten(1, grid),
            *images.shape[-2:],
        )
        return maps, maps.flatten(1).amax(1), rows

    @property
    def _by_position(self) -> bool:
        """Whether each position has a density of its own."""
        return self.grid is not None and not self.shared

    def _holds_out(self) -> bool:
        """Fit to all: folds measure where no images are held out."""
        return False

    def _fit(self, images: FittingImages) -> None:
        pool = None
        if self.grid is not None and self.shared:
            pool = max(self.pool // self.folds, 1)
        fold_rows = Folds(self.folds, pool)

        def embed(inputs: Tensor) -> tuple[Tensor, Tensor | None]:
            if self.grid is not None:
                return self.embed(inputs), None
            pooled = self._features(inputs)[1]
            return F.normalize(pooled)[:, None], pooled.sum(0)

        def compute(
            inputs: Tensor | TiledImages, samples: list, _: Any
        ) -> tuple[Tensor, Tensor | None, bool]:
            if not isinstance(inputs, TiledImages):
                return *embed(inputs), False
            parts = [embed(tiles) for tiles, _ in inputs.parts(samples)]
            rows, mean = join_tiles(parts)
            return rows, mean, True

        def settle() -> dict[str, Tensor]:
            state = fit_density(
                self.density, fold_rows.folds, self._by_position
            )
            if self.grid is None:
                state['centre'] = fold_rows.total / fold_rows.images
            return state

        self._pass(
            images,
            'fitting',
            compute,
            lambda made: fold_rows.add(*made),
            {'folds': fold_rows},
            whole=True,
        )
        self.state = tensors_of_first_process(settle, self.device)
        self._fold_rows = fold_rows.folds

    def _measure(self, images: FittingImages, apart: bool) -> None:
        """Score each image by what has not learned from it."""
        fold_rows, self._fold_rows = self._fold_rows, []
        states = [self.state]
        if self.false_alarm_rate is not None and not apart:
            made = tensors_of_first_process(
                lambda: fit_without_each(
                    self.density, fold_rows, self._by_position
                ),
                self.device,
            )
            states = [{**self.state, **state} for state in split(made)]

        def predict(
            inputs: Tensor | TiledImages, samples: list, before: int
        ) -> tuple[Tensor, Tensor]:
            if isinstance(inputs, TiledImages):  # a single one
                state = states[place_in_block(before, len(states))]
                return self._score_tiles(inputs, samples, state)
            return predict_in_folds(
                *(inputs, before, len(states)),
                lambda part, k: self._alike(part, states[k]),
            )

        known = IN_SAMPLE if self.knows_fit_images else CROSS_FIT
        self._choose_thresholds(
            images,
            predict,
            HELD_OUT if apart else known,
            '' if apart else cross_fit_note(self._weights),
        )

    def state_forms(self, names: Iterable[str]) -> Forms:
        """Return the forms of the density and of what scoring needs."""
        forms = self.density.forms(() if self.shared else ('P',))
        if self.grid is None:
            forms['centre'] = Form(('C',))
        return {**forms, 'map_threshold': Form(())}
