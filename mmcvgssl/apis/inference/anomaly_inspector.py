"""Anomaly models on images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmcvgssl.apis.inference.inferencer import Inferencer
from mmcvgssl.apis.inference.results import AnomalyResult
from mmcvgssl.apis.prediction import Prediction
from mmcvgssl.model_file import LoadedModel
from mmcvgssl.model_file.anomaly import KIND


class AnomalyInspector(Inferencer[AnomalyResult]):
    """Says which images are defective, and where.

    Args:
        model: Model file of an anomaly model, as tools/fit.py writes it, or
            the model of :func:`load_model`.
        threshold: Threshold of scores that replaces the model's; higher ones
            are defective.
        device: See :class:`Inferencer`.
        show_progress: See :class:`Inferencer`.

    Raises:
        See :class:`Inferencer`.

    Example:
        >>> inspector = AnomalyInspector('model.safetensors')
        >>> results = inspector('test_images', show_progress=False)
        >>> len(results), results[0].map.shape, results[0].draw().size
        (4, (32, 32), (32, 32))
        >>> results[0].verdict in ('good', 'defective')
        True
    """

    kind = KIND

    def __init__(
        self,
        model: str | Path | LoadedModel,
        threshold: float | None = None,
        device: str | None = None,
        show_progress: bool = True,
    ) -> None:
        super().__init__(model, device, show_progress, threshold=threshold)

    @property
    def threshold(self) -> float | None:
        """Threshold of scores; None if there is none."""
        kind: Any = self.predictor.kind
        return kind.threshold

    def postprocess(
        self, prediction: Prediction, **common: Any
    ) -> AnomalyResult:
        """Return score, verdict and map."""
        row: Any = prediction
        return AnomalyResult(
            **common,
            score=row.score,
            threshold=self.threshold,
            verdict=row.verdict,
            anomaly_map=row.anomaly_map,
        )
