"""The base class of inferencers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import numpy as np

from mmcvgssl.apis.inference.inputs import (
    Images,
    Inputs,
    UnreadableInputsError,
)
from mmcvgssl.apis.inference.results import Result, drawn_on
from mmcvgssl.apis.prediction import Prediction
from mmcvgssl.apis.prediction.picture_job import Source
from mmcvgssl.datasets.reading import MemoryImage
from mmcvgssl.export.engines import is_exported
from mmcvgssl.progress import progress_bar
from mmcvgssl.utils import check_least, current_logger, printable

if TYPE_CHECKING:
    from mmcvgssl.apis.prediction_folder import Predicts
    from mmcvgssl.model_file import LoadedModel, ModelFile

AnyResult = TypeVar('AnyResult', bound=Result)
# inferencers by the kind of model file that they take
INFERENCERS: dict[str, str] = {
    'anomaly': 'AnomalyInspector',
    'classifier': 'DefectClassifier',
    'detector': 'DefectDetector',
}
_OTHER_FILES = {
    **dict.fromkeys(
        ('.pth', '.pt', '.ckpt'),
        'a checkpoint, of which mmcvgssl export-model or mmcvgssl fit makes '
        'a model file',
    ),
    '.py': 'a config, of which mmcvgssl fit or training makes a model',
}


class Inferencer(ABC, Generic[AnyResult]):
    """Predicts images with the model of a model file.

    Its methods have the names of mmengine's ``BaseInferencer``, and it is
    none, since that one is built from a config, which a model file does not
    need, and sets up a visualizer for the whole process. Nothing of the
    process is changed: default scope, generators, threads and loggers are as
    they were after each call.

    Args:
        model: A model file, or the model of :func:`load_model`; or an
            exported one, ``NAME.onnx`` or ``NAME.xml``, which needs neither
            torch nor a host.
        device: Device of the model; by default the GPU, if there is one. An
            exported one computes on the CPU.
        show_progress: Whether calls show a bar where there are several
            images.
        threshold: Threshold that replaces the model's, where it has one.

    Raises:
        FileNotFoundError: If the file is missing.
        ValueError: If it is a model of another kind; names the right class.
        mmcvgssl.weights.WeightsError: If the file is no model file, cut off,
            of another version, or names what no file may name.
    """

    kind: ClassVar[str]

    def __init__(
        self,
        model: str | Path | LoadedModel,
        device: str | None = None,
        show_progress: bool = True,
        *,
        threshold: float | None = None,
    ) -> None:
        self.device, self.show_progress = device, show_progress
        self._threshold = threshold
        self.predictor: Predicts
        self._loaded: LoadedModel | None = None
        if isinstance(model, (str, Path)) and is_exported(model):
            self._open_exported(model)
            return
        from mmcvgssl.randomness import isolated

        with isolated():
            self._set(self._load(model))

    def _set(self, loaded: LoadedModel) -> None:
        """Predict by a model from now on."""
        from mmcvgssl.apis.predict import Predictor

        self.predictor = Predictor(
            loaded, device=self.device, threshold=self._threshold
        )
        self._loaded = loaded

    def _open_exported(self, path: str | Path) -> None:
        """Predict by an exported model."""
        from mmcvgssl.apis.exported_predictor import ExportedPredictor

        if self.device not in (None, 'cpu'):
            raise ValueError(
                f'{printable(str(path))} computes on the CPU, got '
                f'device={self.device!r}: leave it out'
            )
        made = ExportedPredictor(path, self._threshold)
        self._check_kind(made.metadata.kind, printable(str(path)))
        if made.warning:
            current_logger().warning(made.warning)
        self.predictor = made

    @property
    def loaded(self) -> LoadedModel:
        """The model of the model file.

        Raises:
            ValueError: If the model is an exported one, which can predict and
                no more.
        """
        if self._loaded is None:
            raise ValueError(
                f'{printable(str(self.predictor.path))} is exported, and '
                'predicts and no more: take the model file that it was '
                'exported from'
            )
        return self._loaded

    @property
    def model(self) -> Any:
        """The network, on its device."""
        return self.loaded.model

    @property
    def content(self) -> ModelFile:
        """What the model file says."""
        return self.loaded.content

    def __call__(
        self,
        inputs: Inputs,
        batch_size: int | None = None,
        show_progress: bool | None = None,
        on_error: str = 'raise',
        workers: int | None = None,
    ) -> Any:
        """Predict images.

        Args:
            inputs: An image, a list of images, a folder, a list file
                (``NAME.txt``, one path a line), or an iterator of images. An
                image is a path, a picture of Pillow's, or an array: RGB
                [H, W, 3] or grey [H, W], uint8, or deeper where the model
                knows a ``depth_range``.
            batch_size: Images that pass the model at once; by default 32, as
                in mmcvgssl predict, and 1 for an iterator.
            show_progress: Whether to show a bar; by default as the
                inferencer says, and none for an iterator.
            on_error: ``'raise'``: an image that cannot be read is an error,
                raised when the others are predicted, with their results.
                ``'keep'``: its result says why by ``error``.
            workers: Processes that read files; by default none for pictures
                in memory, iterators and a few files.

        Returns:
            A list of results in the order of the inputs; an iterator for
            whatever else can be gone through (a generator, a loader), which
            takes an image when its result is asked for.

        Raises:
            FileNotFoundError: If there is no such file or folder.
            TypeError: If an input can be no image.
            UnreadableInputsError: If images could not be read.
            ValueError: If an option is out of range, or a folder holds no
                image.
        """
        _check_options(batch_size, on_error, workers)
        images = Images.of(
            *(inputs, self.predictor.reading.get('max_pixels')),
            strict=on_error == 'raise',
        )
        found = self._predicted(images, batch_size, workers)
        shown = show_progress
        if shown is None:  # results of an iterator come whenever they like
            shown = self.show_progress and images.count is not None
        bar = progress_bar(
            found,
            **dict(total=images.count, desc='predict', unit='image'),
            disable=not shown or images.count in (0, 1),
        )
        if images.count is None:
            return _streamed(bar, on_error)
        with bar:
            results = list(bar)
        if on_error == 'raise':
            _refuse_unread(results)
        return results

    def visualize(self, results: Sequence[Result]) -> list[np.ndarray]:
        """Draw what was found, RGB uint8 [H, W, 3] each."""
        return [np.asarray(result.draw()) for result in results]

    @abstractmethod
    def postprocess(self, prediction: Prediction, **common: Any) -> AnyResult:
        """Return the result of an image.

        Args:
            prediction: What the model says.
            **common: Arguments of :class:`Result`.
        """

    def save(self, path: str | Path) -> None:
        """Write the model as a model file, whole or not at all.

        Another file that has the name already goes to ``earlier``.

        Args:
            path: Name that ends in ``.safetensors``.

        Raises:
            OSError: If it cannot be written.
            ValueError: If the name does not end in ``.safetensors``.
        """
        from mmcvgssl.runner.undisturbed import undisturbed

        with undisturbed():
            self.content.write(path)

    def _predicted(
        self,
        images: Images,
        batch_size: int | None,
        workers: int | None,
    ) -> Iterator[AnyResult]:
        """Yield results as they come."""
        if images.count is None and batch_size is None:
            batch_size = 1
        waiting: deque[Source] = deque()

        def noted() -> Iterator[Source]:
            for source in images.sources:
                waiting.append(source)
                yield source

        # a list of paths as it is, since its length says whether worker
        # processes pay
        sources: Iterable[Source] = noted()
        if isinstance(images.sources, list):
            sources = images.sources
            waiting.extend(sources)
        batches = self.predictor.batches(
            sources, batch_size=batch_size, workers=workers
        )
        with closing(batches):
            for batch in batches:
                for prediction in batch:
                    yield self._result(waiting.popleft(), prediction)

    def _result(self, source: Source, prediction: Prediction) -> AnyResult:
        path = None if isinstance(source, MemoryImage) else source
        if prediction.size is None:
            return self.postprocess(
                prediction, path=path, error=prediction.error
            )
        drawing = self.predictor.kind.drawing(prediction)
        return self.postprocess(
            prediction,
            path=path,
            size=prediction.size,
            drawn=drawn_on(
                *(source, self.predictor.reading, prediction.size, drawing)
            ),
        )

    def _load(self, model: str | Path | LoadedModel) -> LoadedModel:
        from mmcvgssl.model_file import LoadedModel, ModelFile, build_model

        if isinstance(model, LoadedModel):
            self._check_kind(model.content.kind, model.source)
            return model
        if not isinstance(model, (str, Path)):
            raise TypeError(
                f'{type(self).__name__} takes a model file or the model of '
                f'load_model, got a {type(model).__name__}'
            )
        source, suffix = printable(str(model)), Path(model).suffix.lower()
        if suffix in _OTHER_FILES:
            raise ValueError(
                f'{type(self).__name__} takes a model file (.safetensors), '
                f'and {source} is {_OTHER_FILES[suffix]}'
            )
        content = ModelFile.read(model)
        self._check_kind(content.kind, source)
        return build_model(content, source)

    def _check_kind(self, kind: str, source: str) -> None:
        if kind != self.kind:
            raise ValueError(
                f'{type(self).__name__} takes a model file of kind '
                f'{self.kind}, and {source} is of kind {kind}: use '
                f'{INFERENCERS[kind]}'
            )


def _check_options(
    batch_size: int | None, on_error: str, workers: int | None
) -> None:
    check_least(batch_size=(batch_size, 1), workers=(workers, 0))
    if on_error not in ('raise', 'keep'):
        raise ValueError(f"on_error is 'raise' or 'keep', got {on_error!r}")


def _refuse_unread(results: Sequence[Result]) -> None:
    errors = [result.error for result in results if result.error is not None]
    if not errors:
        return
    text = printable(errors[0])
    if len(results) > 1:
        text = (
            f'{len(errors)} of {len(results)} images cannot be read, the '
            f'first is {text}; replace them, or keep going by '
            "on_error='keep' (the results of the others are in this error, "
            'as `results`)'
        )
    raise UnreadableInputsError(text, results)


def _streamed(
    results: Iterable[AnyResult], on_error: str
) -> Iterator[AnyResult]:
    for result in results:
        if on_error == 'raise' and result.error is not None:
            raise UnreadableInputsError(result.error, [result])
        yield result
