"""The model that the page asks, by one visitor at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmcvgssl.apis.exported_predictor import ExportedPredictor
from mmcvgssl.apis.prediction.kinds import kind_of
from mmcvgssl.apis.prediction.notes import Notes
from mmcvgssl.apis.prediction.prediction_kind import PredictionKind
from mmcvgssl.export.engines import is_exported, open_engine
from mmcvgssl.predictions import Prediction
from mmcvgssl.utils import printable

if TYPE_CHECKING:
    from mmcvgssl.apis.features import FeatureExtractor
    from mmcvgssl.apis.labelling import Labelling
    from mmcvgssl.apis.prediction_folder import Predicts
    from mmcvgssl.model_file import LoadedModel, ModelFile

BATCH = 32  # as of mmcvgssl predict
PACKAGE = 'package:'
NO_LABELS = 'this model learns no labels'


class ServedModel:
    """A model, and a lock around it.

    Args:
        model: A model file, an exported one, or ``'package:NAME'``: the
            network of an installed package, which learns from labels alone.
        device: Device of the model; by default the GPU, if there is one.

    Raises:
        FileNotFoundError: If the file is missing.
        ValueError: If it is none of these.
        mmcvgssl.weights.WeightsError: If it is no model file, cut off, or
            names what no file may name.

    Example:
        >>> served = ServedModel('model.safetensors')
        >>> served.kind, served.learns
        ('anomaly', False)
        >>> served.predict(['test_images/good/0.png'])[0].is_read
        True
    """

    def __init__(self, model: str, device: str | None = None) -> None:
        self.name = printable(Path(model).name)
        self.lock = threading.RLock()
        self.why_not = ''  # it learns no labels
        self.about = 'learns classes from your labels'
        self._described: dict[str, Any] = {}
        self._predictor: Predicts | None = None
        self._loaded: LoadedModel | None = None
        self._extractor: FeatureExtractor | None = None
        if model.startswith(PACKAGE):
            self._extract(model, device)
        elif is_exported(model):
            self._predictor, self.about = _exported(model)
        else:
            self._open(model, device)

    @property
    def kind(self) -> str:
        """``'anomaly'``, ``'classifier'`` or ``'detector'``."""
        return self._notes.kind

    @property
    def learns(self) -> bool:
        """Whether it learns from labels of its visitors."""
        return self._extractor is not None

    @property
    def threshold(self) -> float | None:
        """Threshold of the file; None: it has none."""
        if self.kind == 'detector':
            return self._notes.threshold or 0.0
        return self._notes.threshold

    def describe(self) -> dict[str, Any]:
        """Return which model it is, as JSON can hold it."""
        if self._predictor is None:
            return {'file': self.name, 'kind': self.kind, 'type': None}
        if not self._described:
            self._described = self._predictor.describe()
        return dict(self._described)

    @property
    def remarks(self) -> list[str]:
        """Warnings about the images that were learned from."""
        return [] if self._predictor is None else self._predictor.remarks

    def judging(
        self, threshold: float | None, classes: Sequence[str] = ()
    ) -> PredictionKind:
        """Return what judges, describes and draws predictions.

        Args:
            threshold: Threshold of a visitor; None: that of the file.
            classes: Names of classes, where they are others than the file's.
        """
        notes = self._notes
        if classes:
            notes = replace(notes, classes=list(classes))
        wanted = None if notes.kind == 'classifier' else threshold
        if wanted is None or wanted == self.threshold:
            return kind_of(notes, self._compute)
        return kind_of(notes, self._compute, wanted)

    def predict(
        self,
        paths: Sequence[str],
        overlay: Callable[[str], Path] | None = None,
    ) -> list[Prediction]:
        """Predict a batch of images, with all boxes that there are.

        Args:
            paths: The images.
            overlay: Names the file of an image's overlay; None: none is
                drawn.

        Raises:
            ValueError: If it only learns.
        """
        if self._predictor is None:
            raise ValueError(
                f'expected a model that predicts, got {self.name}, which is '
                'a network without classes: give some images labels'
            )
        with self.lock:
            batches = self._predictor.batches(
                list(paths), overlay, batch_size=BATCH, workers=0
            )
            return [each for batch in batches for each in batch]

    @property
    def reading(self) -> dict[str, Any]:
        """How images are read, for :func:`read_image`."""
        return {} if self._predictor is None else self._predictor.reading

    def labelling(self) -> Labelling:
        """Return the labels of a new visitor.

        Raises:
            ValueError: If it learns nothing.
        """
        from mmcvgssl.apis.labelling import Labelling

        if self._extractor is None:
            raise ValueError(self.why_not or NO_LABELS)
        return Labelling(self._extractor, self._content, self.name)

    @property
    def _content(self) -> ModelFile | None:
        return None if self._loaded is None else self._loaded.content

    @property
    def _notes(self) -> Notes:
        if self._predictor is None:
            return Notes('classifier')
        return self._predictor.kind.notes

    @property
    def _compute(self) -> Any:
        if self._predictor is None:
            return None
        return self._predictor.kind.compute

    def _open(self, model: str, device: str | None) -> None:
        from mmcvgssl.apis.predict import Predictor
        from mmcvgssl.model_file import load_model

        loaded = load_model(model)
        self.about = loaded.content.describe()
        boxes = loaded.content.kind == 'detector'
        self._predictor = Predictor(
            loaded, device=device, threshold=0.0 if boxes else None
        )
        if loaded.content.kind == 'classifier':
            self._loaded = loaded
            self._learn(loaded, device)

    def _learn(self, loaded: LoadedModel, device: str | None) -> None:
        from mmcvgssl.apis.fit_classes import learned_from

        try:
            learned_from(loaded.content, self.name)
        except ValueError as error:
            self.why_not = str(error)
        else:
            self._extract(loaded, device)

    def _extract(self, source: str | LoadedModel, device: str | None) -> None:
        from mmcvgssl.apis.features import FeatureExtractor

        self._extractor = FeatureExtractor(
            source, device=device, workers=0, show_progress=False
        )
        _ = self._extractor.encoder  # refused before anybody labels


def _exported(model: str) -> tuple[ExportedPredictor, str]:
    """Return what predicts, and what it is, for people."""
    engine = open_engine(model)
    notes = engine.metadata
    boxes = notes.kind == 'detector'
    made = ExportedPredictor(engine, 0.0 if boxes else None, workers=0)
    made.path = Path(model)
    name = str(notes.model.get('type', '')).rpartition('.')[2]
    text = (
        f'{notes.kind} model {name}, exported by mmcvgssl '
        f'{notes.made_with.get("mmcvgssl")}'
    )
    return made, f'{text}\n{made.warning}' if made.warning else text
