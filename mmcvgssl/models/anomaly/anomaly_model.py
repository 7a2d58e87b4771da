"""The base class of map generators."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from mmengine.dist import get_world_size, is_main_process
from mmengine.logging import print_log
from mmengine.model import BaseModel
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from mmcvgssl.models.anomaly.blocks import block_size
from mmcvgssl.models.anomaly.calibration import Calibration
from mmcvgssl.models.anomaly.equal_parts import in_equal_parts
from mmcvgssl.models.anomaly.fit_pass import Chooser, EveryImage, FitPass
from mmcvgssl.models.anomaly.fitted_state import FittedStateError
from mmcvgssl.models.anomaly.fitting_images import FittingImages
from mmcvgssl.models.anomaly.gathered import Resumable
from mmcvgssl.models.anomaly.identities import with_identities
from mmcvgssl.models.anomaly.measured import Measured
from mmcvgssl.models.anomaly.passes import Passes
from mmcvgssl.models.anomaly.storable import Storable
from mmcvgssl.models.anomaly.tiled_images import (
    TiledImages,
    TilePreprocessor,
    by_images,
    by_tiles,
    predict_tiles,
)
from mmcvgssl.processes import on_first_process
from mmcvgssl.provenance import Provenance, digest_tensors

UNIT_RANGE = dict(
    type='mmengine.ImgDataPreprocessor',
    mean=[0.0, 0.0, 0.0],
    std=[255.0, 255.0, 255.0],
    bgr_to_rgb=True,
)


class AnomalyModel(Measured, Storable, BaseModel):
    """Base class of models that turn images into anomaly maps.

    ``mode='predict'`` returns data samples with ``anomaly_map`` [h, w] at
    patch resolution and ``anomaly_score``, a scalar; higher means more
    anomalous. Subclasses write :meth:`predict_maps` and, if they learn from
    images, :meth:`_fit` and ``needs_fit = True``.

    Args:
        settings: All that the maps depend on, as JSON can hold it.
        calibration: Options of :class:`Calibration`, with ``holdout``, the
            share of the fitting images set aside for it (default 0.2); None
            leaves maps as they come.
        false_alarm_rate: Wanted share of good images above a threshold that
            is chosen on fitting images, of which ``holdout`` is excluded from
            the fit; None: no threshold.
        data_preprocessor: Its config; by default BGR bytes become RGB in [0,
            1].
        init_cfg: See mmengine's ``BaseModule``.

    Raises:
        ValueError: If an option is out of range, or a threshold is wanted of
            a model that knows no good images.

    Example:
        >>> class Brightness(AnomalyModel):
        ...     def predict_maps(self, images):
        ...         maps = images.mean(1)
        ...         return maps, maps.flatten(1).amax(1)
        >>> model = Brightness(settings={})
        >>> sample = model(torch.rand(2, 3, 4, 4), mode='predict')[0]
        >>> sample.anomaly_map.shape, sample.anomaly_score.shape
        (torch.Size([4, 4]), torch.Size([]))
    """

    needs_fit = False
    # it learns from the very images it makes maps of, and is calibrated on
    # all of them
    fits_on_collection = False
    # number of images that fitting draws at random, and the seed of the draw;
    # 0: all images
    fit_sample = 0
    fit_seed = 0

    def __init__(
        self,
        settings: dict[str, Any],
        calibration: dict | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
        false_alarm_rate: float | None = None,
    ) -> None:
        super().__init__(data_preprocessor or dict(UNIT_RANGE), init_cfg)
        whole: Any = self.data_preprocessor
        self.data_preprocessor: nn.Module = TilePreprocessor(whole)
        self.settings = {
            'model': type(self).__name__,
            **settings,
            'calibration': calibration,
        }
        self.false_alarm_rate = false_alarm_rate
        if false_alarm_rate is not None:
            if self.fits_on_collection:
                raise ValueError(
                    f'{type(self).__name__} learns from a collection of which '
                    'nothing is known to be good: false_alarm_rate needs good '
                    'images'
                )
            self.settings['false_alarm_rate'] = false_alarm_rate
        options = dict(calibration or {})
        self.holdout = options.pop('holdout', 0.2)
        # one of so many images is held out
        self.block = block_size(self.holdout, 'calibration.holdout')
        self.calibration = (
            None if calibration is None else Calibration(**options)
        )
        # DDP refuses a model in which nothing could be trained
        self.trainable = nn.Parameter(torch.zeros(1))
        # fitted tensors; no buffers, as their sizes depend on the images
        self.state: dict[str, Tensor] = {}
        # how the threshold was chosen, and what is wrong with the images
        # that were fitted to, for those who use the file
        self.chosen: dict[str, Any] = {}
        self.remarks: list[str] = []
        self.basis: dict[str, Tensor] = {}
        self.measured_on: list[str] = []
        # images and transforms of the fit, if a Runner fitted the model
        self.provenance: Provenance | None = None

    def note_weights(self, module: nn.Module) -> None:
        """Add the digest of a frozen network's weights to the settings."""
        self.settings['weights'] = digest_tensors(module.state_dict())

    @property
    def device(self) -> torch.device:
        """Device of the model, where images are moved."""
        return self.trainable.device

    def _apply(self, fn, recurse: bool = True):
        super()._apply(fn, recurse)
        device = self.device
        self.state = {k: v.to(device) for k, v in self.state.items()}
        return self

    @property
    def fitted(self) -> bool:
        """Whether maps can be made."""
        ready = bool(self.state) or not self.needs_fit
        if self.false_alarm_rate is not None:
            ready = ready and 'operating_point' in self.state
        return ready and (self.calibration is None or self.calibration.ready)

    @property
    def map_threshold(self) -> float | None:
        """Threshold of map values, in units of the map."""
        known = self.state.get('map_threshold')
        if known is not None:
            return float(known)
        return None if self.calibration is None else 0.5

    def forward(
        self,
        inputs: Tensor | TiledImages,
        data_samples: list | None = None,
        mode: str = 'tensor',
    ):
        """Make maps of RGB images [N, 3, H, W] in [0, 1], or of their tiles.

        Raises:
            FittedStateError: If the model has not been fitted.
            ValueError: If ``mode`` is ``'loss'``: nothing is trained.
        """
        if mode not in ('predict', 'tensor'):
            raise ValueError(
                f"{type(self).__name__} has modes 'predict' and 'tensor', got "
                f'{mode!r}; it is fitted, not trained'
            )
        self._require_fitted()
        samples = data_samples or [DataSample() for _ in range(len(inputs))]
        if mode == 'predict' and isinstance(inputs, TiledImages):
            # images may be of several sizes
            for one, own in inputs.each(samples):
                self._note(own, *self.predict(one, own))
            return samples
        maps, scores = self.predict(inputs, samples)
        if mode == 'tensor':
            return maps, scores
        self._note(samples, maps, scores)
        return samples

    def _note(self, samples: Sequence, maps: Tensor, scores: Tensor) -> None:
        """Set what was found in data samples."""
        threshold = self.threshold  # read from the device once a batch
        for sample, anomaly_map, score in zip(
            samples, maps, scores, strict=True
        ):
            sample.set_field(anomaly_map, 'anomaly_map')
            sample.set_field(score, 'anomaly_score')
            if threshold is not None:
                sample.set_field(threshold, 'threshold')

    @torch.no_grad()
    def predict(
        self, inputs: Tensor | TiledImages, data_samples: Sequence
    ) -> tuple[Tensor, Tensor]:
        """Return calibrated maps [N, h, w] and scores [N].

        They do not depend on the batch, see :func:`in_equal_parts`. The map
        of an image in tiles is joined of theirs, and its score is the highest
        of theirs.
        """
        maps, scores = self._raw(inputs, data_samples)
        if self.calibration is not None:
            return self.calibration(maps, scores)
        return maps, scores

    def _raw(
        self, inputs: Tensor | TiledImages, data_samples: Sequence
    ) -> tuple[Tensor, Tensor]:
        """Return maps [N, h, w] and scores [N] before calibration."""
        if self.fits_on_collection:
            # an image is not compared with itself
            data_samples = with_identities(inputs, data_samples)
        if isinstance(inputs, TiledImages):
            return predict_tiles(inputs, data_samples, self._part)
        return self._part(inputs, data_samples)

    def _part(
        self, images: Tensor, data_samples: Sequence
    ) -> tuple[Tensor, Tensor]:
        maps, scores = in_equal_parts(images, data_samples, self._predict)
        return maps, scores

    @torch.no_grad()
    def predict_unnamed(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return calibrated maps [N, h, w] and scores [N] of pixels alone.

        As :meth:`predict` does for images whose data samples say nothing.
        """
        maps, scores = self._unnamed(images)
        if self.calibration is not None:
            return self.calibration(maps, scores)
        return maps, scores

    def _unnamed(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self.predict_maps(images)

    def predict_maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return maps [N, h, w] and scores [N] of RGB images in [0, 1]."""
        raise NotImplementedError(
            f'{type(self).__name__} must implement predict_maps()'
        )

    def _predict(
        self, images: Tensor, data_samples: Sequence
    ) -> tuple[Tensor, Tensor]:
        """Make maps, with what the data samples say about the images."""
        return self.predict_maps(images)

    @torch.no_grad()
    def fit(
        self,
        batches: Iterable[dict],
        held_out: Iterable[dict] | None = None,
        passes: Passes | None = None,
    ) -> None:
        """Fit to images; calibrate and choose the threshold on held-out ones.

        Where there are several processes, each calls it, computes its share,
        and has learned what one process would have.

        Args:
            batches: Batches of a data loader, with ``inputs`` and
                ``data_samples``; iterated several times.
            held_out: Batches of good images that nothing has learned from,
                neither here nor in a training, for calibration and
                threshold; by default a part of ``batches`` is set aside.
            passes: Shows what is done, and puts it aside; by default neither.

        Raises:
            ValueError: If there are no images, or too few to hold some out.
        """
        self._go_through(self.learn, batches, held_out, passes)

    def _go_through(
        self,
        learn: Callable[[FittingImages, FittingImages | None], None],
        batches: Iterable[dict],
        held_out: Iterable[dict] | None,
        passes: Passes | None,
    ) -> None:
        """Learn from batches, in all processes alike."""
        self.eval()
        passes = passes or Passes()
        images = FittingImages(batches, self.data_preprocessor, passes=passes)
        apart = None
        if held_out is not None:
            apart = replace(images, batches=held_out, purpose='measure on')
        with passes:
            learn(images, apart)
        if get_world_size() > 1:
            learned = on_first_process(self.fitted_bytes)
            if not is_main_process():
                self.load_fitted_bytes(learned)

    def learn(
        self, images: FittingImages, held_out: FittingImages | None = None
    ) -> None:
        """Fit to prepared images; see :meth:`fit`."""
        self.state, self.chosen, self.remarks = {}, {}, []
        self.basis, self.provenance = {}, None
        fitting, measuring = images, held_out or images
        if held_out is None and self._holds_out():
            fitting = images.part(self.block, held_out=False)
            measuring = images.part(self.block, held_out=True)
        if self.needs_fit:
            self._fit(fitting)
        # contiguous as after loading, so that rounding is the same later
        self.state = {k: v.contiguous() for k, v in self.state.items()}
        self._measure(measuring, held_out is not None)

    def rounding(self) -> tuple[float, float]:
        """Return the largest rounding error of raw maps, and of raw scores."""
        return 0.0, 0.0

    def remark(self, text: str) -> None:
        """Warn, and store the warning with the fitted state."""
        if text and text not in self.remarks:
            self.remarks.append(text)
            print_log(text, logger='current', level=logging.WARNING)

    @classmethod
    def learns_from_collection(cls, config: Mapping[str, Any]) -> bool:
        """Whether the model is fitted to the very images that get maps."""
        return cls.fits_on_collection

    def _pass(
        self,
        images: FittingImages,
        verb: str,
        compute: Callable[[Tensor, list, Any], Any],
        take: Callable[[Any], None],
        parts: Mapping[str, Resumable],
        chooser: Chooser | None = None,
        whole: bool = False,
    ) -> None:
        """Go through images once; see :class:`FitPass`.

        Images in tiles come as if each tile were an image, or, if they are
        wanted ``whole``, one by one as :class:`TiledImages`.
        """
        divide = by_images if whole else by_tiles
        compute, take = divide(compute, take)
        title = f'{verb} {type(self).__name__}'
        chooser = chooser or EveryImage()
        images.run(FitPass(title, compute, take, parts, chooser))

    def _fit(self, images: FittingImages) -> None:
        """Fill ``state`` from pairs of images and data samples."""
        raise NotImplementedError(
            f'{type(self).__name__} must implement _fit()'
        )

    def _require_fitted(self) -> None:
        if not self.fitted:
            raise FittedStateError(
                f'{type(self).__name__} has not been fitted: run it by '
                'mmcvgssl test or mmcvgssl maps with a `fit_dataloader` '
                'in the config, call fit(), or load_fitted(FILE)'
            )
