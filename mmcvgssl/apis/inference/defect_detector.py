"""Detectors on images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmcvgssl.apis.inference.inferencer import Inferencer
from mmcvgssl.apis.inference.results import DetectionResult
from mmcvgssl.apis.prediction import Prediction

if TYPE_CHECKING:
    from mmcvgssl.model_file import LoadedModel


class DefectDetector(Inferencer[DetectionResult]):
    """Finds boxes of defects in images.

    Args:
        model: Model file of a detector of mmdet or mmyolo, as ``mmcvgssl
            export-model`` writes it, the model of :func:`load_model`, or an
            exported one, ``.onnx`` or ``.xml``.
        threshold: Least score of a box, which replaces the file's.
        device: See :class:`Inferencer`.
        show_progress: See :class:`Inferencer`.

    Raises:
        FileNotFoundError: See :class:`Inferencer`.
        ValueError: See :class:`Inferencer`.
        mmcvgssl.weights.WeightsError: See :class:`Inferencer`.

    Example:
        >>> try:
        ...     DefectDetector('model.safetensors')
        ... except ValueError as error:
        ...     print(str(error).rpartition(': ')[2])
        use AnomalyInspector
    """

    kind = 'detector'

    def __init__(
        self,
        model: str | Path | LoadedModel,
        threshold: float | None = None,
        device: str | None = None,
        show_progress: bool = True,
    ) -> None:
        super().__init__(model, device, show_progress, threshold=threshold)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(self.predictor.kind.classes)

    @property
    def threshold(self) -> float:
        """Least score of a box."""
        kind: Any = self.predictor.kind
        return kind.threshold

    def postprocess(
        self, prediction: Prediction, **common: Any
    ) -> DetectionResult:
        """Return the boxes."""
        found = prediction.row()['boxes'] or []
        boxes = np.asarray([each['box'] for each in found], np.float32)
        return DetectionResult(
            **common,
            boxes=boxes.reshape(-1, 4),
            labels=tuple(each['label'] for each in found),
            scores=np.asarray([each['score'] for each in found], np.float32),
            threshold=self.threshold,
        )
