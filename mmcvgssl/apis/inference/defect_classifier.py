"""Classifiers on images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmcvgssl.apis.inference.inferencer import Inferencer
from mmcvgssl.apis.inference.inputs import Inputs
from mmcvgssl.apis.inference.results import ClassResult
from mmcvgssl.apis.prediction import Prediction

if TYPE_CHECKING:
    from typing_extensions import Self

# images by the name of their class, or a folder with one folder a class
Labelled = Mapping[str, Inputs] | str | Path


class DefectClassifier(Inferencer[ClassResult]):
    """Names the class of images.

    Args:
        model: Model file of a classifier, as ``mmcvgssl few-shot --save``
            writes it, the model of :func:`load_model`, or an exported one,
            ``.onnx`` or ``.xml``, which predicts and no more.
        device: See :class:`Inferencer`.
        show_progress: See :class:`Inferencer`.

    Raises:
        FileNotFoundError: See :class:`Inferencer`.
        ValueError: See :class:`Inferencer`.
        mmcvgssl.weights.WeightsError: See :class:`Inferencer`.

    Example:
        >>> try:
        ...     DefectClassifier('model.safetensors')
        ... except ValueError as error:
        ...     print(str(error).rpartition(': ')[2])
        use AnomalyInspector
    """

    kind = 'classifier'

    def update(self, more_images: Labelled) -> Self:
        """Learn from more labelled images, without starting over.

        The classifier becomes what :meth:`FewShotClassifier.fit` to all
        images gives, as its file has the features of those of before. It
        stays as it was if anything fails.

        Args:
            more_images: New images by class, of known and new classes; see
                :meth:`FewShotClassifier.fit`.

        Returns:
            The classifier itself.

        Raises:
            FileNotFoundError: If there is no such file.
            ModelFileError: If the model file is of an earlier version.
            TypeError: If something can be no image.
            UnreadableImageError: If an image cannot be read.
            ValueError: If an image is in two classes, or was learned from
                before.
        """
        from mmcvgssl.apis.fit_classes import update_classes

        self._set(
            update_classes(
                *(self.content, more_images, self.loaded.source),
                *(self.device, self.show_progress),
            )
        )
        return self

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(self.predictor.kind.classes)

    def postprocess(
        self, prediction: Prediction, **common: Any
    ) -> ClassResult:
        """Return the class and all probabilities."""
        row: Any = prediction
        return ClassResult(
            **common,
            label=row.label,
            probability=row.probability,
            probabilities=dict(row.probabilities or {}),
        )
