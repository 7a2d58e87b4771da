"""Predictions of images, from one model file."""

from __future__ import annotations

import copy
from collections.abc import (
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
    Sized,
)
from pathlib import Path
from typing import Any

import numpy as np
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.registry import DefaultScope

from mmcvgssl.apis.device import choose_device
from mmcvgssl.apis.prediction import Prediction, kind_of
from mmcvgssl.apis.prediction.find_images import find_images, is_list
from mmcvgssl.apis.prediction.image_job import ImageJob
from mmcvgssl.apis.prediction.picture_job import Source
from mmcvgssl.apis.prediction.prediction_run import (
    ROOM,
    NameOverlay,
    PredictionRun,
)
from mmcvgssl.apis.prediction.torch_model import (
    TorchModel,
    describe,
    made_by,
    notes_of,
)
from mmcvgssl.apis.prediction.workers import Workers, workers_for
from mmcvgssl.datasets.tiles import images_at_once
from mmcvgssl.datasets.transforms.load_image import reading_options
from mmcvgssl.maps.picture import draw_heatmap
from mmcvgssl.model_file import LoadedModel, load_model, prediction_steps
from mmcvgssl.model_file.anomaly import KIND as ANOMALY
from mmcvgssl.provenance import (
    FileState,
    Provenance,
    of_bytes,
    of_file,
)
from mmcvgssl.runner.image_reading import hand_down
from mmcvgssl.utils import check_least

__all__ = ['Predictor', 'find_images', 'is_list', 'overlay']


class Predictor:
    """Predicts images with the model of a model file.

    Worker processes decode images and draw overlays while the model
    computes. Predictions do not depend on the number of workers.

    Args:
        model: A model file, of whatever kind, or the model of one.
        config: A config whose ``test_dataloader`` says how images are read,
            instead of the file.
        device: Device of the model; by default the GPU, if there is one.
        batch_size: Images that pass the model at once; one in tiles is read
            alone.
        threshold: Threshold that replaces the file's.
        workers: Processes that read images; 0: this one does. By default
            :func:`default_workers`, and none for a few images.

    Raises:
        FileNotFoundError: If a file is missing.
        mmcvgssl.weights.WeightsError: If the model file is something else,
            cut off, or names what no file may name.
        ValueError: If an option is out of range, or a config is given for a
            classifier or detector.

    Example:
        >>> predictor = Predictor('model.safetensors')
        >>> [p.path for p in predictor(['test_images/crack/0.png'])]
        ['test_images/crack/0.png']
    """

    def __init__(
        self,
        model: str | Path | LoadedModel,
        config: Config | None = None,
        device: str | None = None,
        batch_size: int = 32,
        threshold: float | None = None,
        workers: int | None = None,
    ) -> None:
        check_least(batch_size=(batch_size, 1), workers=(workers, 0))
        self.device = choose_device(device)
        self._is_file = not isinstance(model, LoadedModel)
        if isinstance(model, LoadedModel):
            loaded, self.path = model, Path(model.source)
        else:
            loaded, self.path = load_model(model), Path(model)
        self.content = loaded.content
        self.model: Any = loaded.model.to(self.device)
        self.kind = kind_of(notes_of(loaded), TorchModel(loaded), threshold)
        self.steps: list[dict[str, Any]] = loaded.content.images['pipeline']
        self.transforms = loaded.transforms
        if config is not None:
            if self.content.kind != ANOMALY:
                raise ValueError(
                    'a config says how anomaly models read images; a '
                    f'{self.content.kind} reads as its file says: leave '
                    '--config out'
                )
            self.steps = _steps_of(config)
            with DefaultScope.overwrite_default_scope('mmpretrain'):
                self.transforms = Compose(self.steps).transforms
        self.batch_size = images_at_once(self.steps, batch_size)
        self.workers = workers

    def __call__(self, paths: Sequence[str | Path]) -> Iterator[Prediction]:
        """Predict images in order; what cannot be read has an ``error``."""
        for batch in self.batches([str(path) for path in paths]):
            yield from batch

    def batches(
        self,
        images: Iterable[Source],
        overlay: NameOverlay | None = None,
        full_overlay: bool = False,
        known: Mapping[str, FileState] | None = None,
        batch_size: int | None = None,
        workers: int | None = None,
    ) -> Generator[list[Prediction], None, None]:
        """Predict images in order, batch by batch.

        A batch is given when its overlays are written, with the next one
        being computed. Without worker processes, the images of a batch are
        taken when it is computed, and not earlier.

        Args:
            images: Paths, or pictures in memory. Where it has no length, no
                worker processes read by default.
            overlay: Names the file of an image's overlay; None: none is
                drawn.
            full_overlay: See :meth:`PictureJob.draw`.
            known: States of the images' files, which predictions are given.
            batch_size: Instead of the predictor's.
            workers: Instead of the predictor's.

        Raises:
            WorkerError: If a worker process is ended from outside.
        """
        here = self.device.type == 'cpu'
        wanted = self.workers if workers is None else workers
        known_count = len(images) if isinstance(images, Sized) else None
        count = workers_for(known_count, wanted, here)
        size = self.batch_size
        if batch_size is not None:
            size = images_at_once(self.steps, batch_size)
        extra = {'category': self.content.category}
        job = ImageJob(self.transforms, extra, ROOM // max(count, 1))
        with Workers(job, count) as pool:
            run = PredictionRun(
                self.kind, pool, overlay, full_overlay, known or {}
            )
            yield from run.batches(images, size)

    def made_by(self) -> Provenance:
        """Return what predictions depend on beside images and options."""
        return made_by(self.content, self._digest(), self.steps)

    @property
    def reading(self) -> dict[str, Any]:
        """How images are read, for :func:`read_image`, in full size."""
        return reading_options(self.transforms)

    @property
    def remarks(self) -> list[str]:
        """Warnings about the images that the model was fitted to."""
        return list(self.content.remarks)

    def describe(self) -> dict[str, Any]:
        """Return which model file it is, as JSON can hold it."""
        return describe(self.content, self.path, self._digest())

    def _digest(self) -> str:
        """Name the model file by its content."""
        if self._is_file:
            return of_file(self.path)
        return of_bytes(self.content.to_bytes())


def _steps_of(config: Config) -> list[dict[str, Any]]:
    loader = config.get('test_dataloader')
    if loader is None:
        raise ValueError(
            f'{config.filename} does not say how images are read: expected '
            'test_dataloader, as in configs/anomaly; leave --config out for '
            'what the model file says'
        )
    config = copy.deepcopy(config)
    hand_down(config)
    return prediction_steps(config.test_dataloader.dataset.pipeline)


def overlay(
    image: np.ndarray,
    anomaly_map: np.ndarray,
    map_threshold: float | None = None,
) -> np.ndarray:
    """Lay a heatmap over an image, as mmcvgssl predict does.

    Args:
        image: BGR uint8 [H, W, 3].
        anomaly_map: [h, w]; resized to the image.
        map_threshold: Map threshold, the middle of the colours; None: the
            colours span the map's own values.

    Returns:
        BGR uint8 [H, W, 3].

    Example:
        >>> import numpy as np
        >>> image = np.zeros((8, 8, 3), np.uint8)
        >>> overlay(image, np.eye(2), 0.5).shape
        (8, 8, 3)
    """
    return draw_heatmap(
        image, anomaly_map=anomaly_map, map_threshold=map_threshold
    )
