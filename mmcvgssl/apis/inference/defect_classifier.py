"""Classifiers on images."""

from __future__ import annotations

from typing import Any

from mmcvgssl.apis.inference.inferencer import Inferencer
from mmcvgssl.apis.inference.results import ClassResult
from mmcvgssl.apis.prediction import Prediction
from mmcvgssl.model_file.classifier import KIND


class DefectClassifier(Inferencer[ClassResult]):
    """Names the class of images.

    Args:
        model: Model file of a classifier, as ``tools/few_shot.py --save``
            writes it, or the model of :func:`load_model`.
        device: See :class:`Inferencer`.
        show_progress: See :class:`Inferencer`.

    Raises:
        See :class:`Inferencer`.

    Example:
        >>> try:
        ...     DefectClassifier('model.safetensors')
        ... except ValueError as error:
        ...     print(str(error).rpartition(': ')[2])
        use AnomalyInspector
    """

    kind = KIND

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(self.content.classes)

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
