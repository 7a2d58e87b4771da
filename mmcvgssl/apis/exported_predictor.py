"""Predictions of images by an exported model: without torch and the hosts.

Needs NumPy, OpenCV, Pillow, tifffile, tqdm and what runs the file.
"""

from __future__ import annotations

from collections.abc import (
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
    Sized,
)
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mmcvgssl.apis.prediction import Prediction, kind_of
from mmcvgssl.apis.prediction.notes import Notes
from mmcvgssl.apis.prediction.picture_job import (
    LoadedImage,
    PictureJob,
    Source,
    holds,
    read_source,
)
from mmcvgssl.apis.prediction.prediction_run import (
    ROOM,
    NameOverlay,
    PredictionRun,
)
from mmcvgssl.apis.prediction.workers import Workers, workers_for
from mmcvgssl.datasets.reading import (
    MemoryImage,
    UnreadableImageError,
    read_settled,
)
from mmcvgssl.export.engines import Engine
from mmcvgssl.export.exported_model import ExportedModel
from mmcvgssl.export.metadata import Metadata
from mmcvgssl.export.preparation import prepare
from mmcvgssl.provenance import FileState, Provenance, of_file
from mmcvgssl.utils import check_least, printable
from mmcvgssl.version import __version__


class ExportedPredictor:
    """Predicts images with an exported model.

    What it says of them, and what
    :func:`~mmcvgssl.apis.prediction_folder.predict_to_folder` writes, is as
    of :class:`~mmcvgssl.apis.predict.Predictor` for the model file.

    Args:
        model: A file of ``mmcvgssl export``, or a loaded engine.
        threshold: Threshold that replaces the file's.
        batch_size: Images that pass the model at once; one in tiles is read
            alone.
        workers: Processes that read images; 0: this one does. By default as
            many as for model files.
        threads: Threads that compute; 0: as the library chooses.

    Raises:
        FileNotFoundError: If there is no such file.
        mmcvgssl.export.metadata.ExportedFileError: If it is something else,
            of another version, or its bytes have changed.
        ModuleNotFoundError: If what runs it is not installed.
        ValueError: If an option is out of range, or the model has no
            threshold.
    """

    def __init__(
        self,
        model: str | Path | Engine,
        threshold: float | None = None,
        batch_size: int = 32,
        workers: int | None = None,
        threads: int = 0,
    ) -> None:
        check_least(batch_size=(batch_size, 1), workers=(workers, 0))
        self.model = ExportedModel(model, threads)
        self.path = Path(self.model.source)
        if isinstance(model, (str, Path)):
            self.path = Path(model)
        self.metadata: Metadata = self.model.metadata
        compute = _Compute(self.model)
        self.kind = kind_of(_notes_of(self.metadata), compute, threshold)
        compute.least = getattr(self.kind, 'threshold', None) or 0.0
        self.remarks: list[str] = list(self.metadata.remarks)
        steps = self.metadata.steps
        self._is_cut = any(step['step'] == 'tiles' for step in steps)
        self.batch_size = self._at_once(batch_size)
        self.workers = workers

    def _at_once(self, batch_size: int) -> int:
        return 1 if self._is_cut else batch_size

    @property
    def reading(self) -> dict[str, Any]:
        """How images are read, for :func:`read_image`, in full size."""
        return reading_of(self.metadata)

    @property
    def warning(self) -> str:
        """What this machine does otherwise than the exporting one, if any."""
        return self.model.warning

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

        Args:
            images: See :meth:`Predictor.batches`, as for the others.
            overlay: Names the file of an image's overlay; None: none is
                drawn.
            full_overlay: See :meth:`PictureJob.draw`.
            known: States of the images' files, which predictions are given.
            batch_size: Instead of the predictor's.
            workers: Instead of the predictor's.

        Raises:
            WorkerError: If a worker process is ended from outside.
        """
        wanted = self.workers if workers is None else workers
        known_count = len(images) if isinstance(images, Sized) else None
        count = workers_for(known_count, wanted, True)
        size = self.batch_size
        if batch_size is not None:
            size = self._at_once(batch_size)
        job = _ExportedJob(self.metadata, ROOM // max(count, 1))
        with Workers(job, count) as pool:
            run = PredictionRun(
                self.kind, pool, overlay, full_overlay, known or {}
            )
            yield from run.batches(images, size)

    def made_by(self) -> Provenance:
        """Return what predictions depend on beside images and options."""
        runs = 'onnxruntime' if self.path.suffix == '.onnx' else 'openvino'
        versions = {
            'mmcvgssl': __version__,
            'opencv': cv2.__version__,
            runs: version(runs),
        }
        return Provenance({'model': of_file(self.path), 'version': versions})

    def describe(self) -> dict[str, Any]:
        """Return which file it is, as JSON can hold it."""
        notes = self.metadata
        return {
            'file': printable(self.path.name),
            'digest': of_file(self.path),
            'kind': notes.kind,
            'type': notes.model.get('type'),
            'exported_from': notes.model.get('digest'),
            'precision': notes.precision,
            'made_with': notes.made_with,
            'remarks': notes.remarks,
            'warning': self.warning,
        }


class _ExportedJob(PictureJob):
    """Reads images as an exported model takes them.

    Args:
        metadata: Metadata of the model.
        room: See :class:`PictureJob`.
    """

    def __init__(self, metadata: Metadata, room: int) -> None:
        self._settings, self._steps = metadata.reading, metadata.steps
        side = metadata.reading['input_size']
        super().__init__(reading_of(metadata), side, room)

    def load(
        self,
        key: int,
        source: Source,
        keep: bool = False,
        known: FileState | None = None,
    ) -> LoadedImage:
        """Read an image; see :meth:`ImageJob.load`."""
        try:
            picture, size = self._read(source)
            inputs = prepare(picture, self._steps)
        except UnreadableImageError as error:
            return LoadedImage(error=str(error))
        if keep:
            self.keep(key, picture)
        return LoadedImage(
            inputs=inputs,
            data_sample=(picture.shape[0], picture.shape[1]),
            size=(int(size[0]), int(size[1])),
            file=known if holds(source, known) else None,
        )

    def _read(self, source: Source) -> tuple[np.ndarray, Sequence[int]]:
        """Return the picture, and height and width of the image."""
        if isinstance(source, MemoryImage):
            picture = read_source(source, self._reading)
            return picture, picture.shape[:2]
        return read_settled(source, **self._settings)


def reading_of(metadata: Metadata) -> dict[str, Any]:
    """Return how images are read, for :func:`read_image`, in full size."""
    options = dict(metadata.reading)
    del options['input_size']
    return options


class _Compute:
    """Passes loaded images through an exported model."""

    def __init__(self, model: ExportedModel) -> None:
        self.model, self.least = model, 0.0

    def __call__(self, images: Sequence[Any]) -> list[dict[str, Any]]:
        """Return for each image what its kind describes."""
        return self.model.find(
            [np.asarray(image.inputs) for image in images],
            [image.data_sample for image in images],
            self.least,
        )

    def threads(self, most: int) -> AbstractContextManager[None]:
        """Leave threads as they are: they were chosen when it was loaded."""
        return nullcontext()


def _notes_of(metadata: Metadata) -> Notes:
    return Notes(
        kind=metadata.kind,
        classes=metadata.classes,
        category=metadata.category,
        threshold=metadata.threshold,
        map_threshold=metadata.map_threshold,
        chosen=metadata.chosen,
    )
