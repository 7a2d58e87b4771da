"""Predictions of anomaly models: scores, verdicts and heatmaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from mmcvgssl.apis.prediction.notes import Notes
from mmcvgssl.apis.prediction.prediction_kind import (
    Computes,
    Drawing,
    PredictionKind,
)
from mmcvgssl.maps.picture import draw_heatmap
from mmcvgssl.predictions import GIVEN, AnomalyPrediction, Prediction


class AnomalyKind(PredictionKind):
    """A score and a map an image, a verdict where there is a threshold."""

    prediction = AnomalyPrediction
    has_maps = True

    def __init__(
        self, notes: Notes, compute: Computes, threshold: float | None = None
    ) -> None:
        super().__init__(notes, compute, threshold)
        self.threshold, self.chosen = notes.threshold, dict(notes.chosen)
        self.map_threshold = notes.map_threshold
        if threshold is not None:
            AnomalyPrediction.check_threshold(threshold)
            self.threshold, self.chosen = threshold, {'method': GIVEN}

    def describe(
        self, path: str, found: Mapping[str, Any]
    ) -> AnomalyPrediction:
        """Return score, verdict and map."""
        score = float(found['score'])
        return AnomalyPrediction.of(path, score, self.threshold, found['map'])

    def drawing(self, prediction: Prediction) -> Drawing | None:
        """Lay the map over the picture."""
        values = getattr(prediction, 'anomaly_map', None)
        if values is None:
            return None
        return partial(
            draw_heatmap,
            anomaly_map=values,
            map_threshold=self.map_threshold,
        )

    def head(self) -> dict[str, Any]:
        """Return category, thresholds and what the colours mean."""
        colours = 'map_threshold is in the middle of the colours'
        if self.map_threshold is None:
            colours = (
                "the colours of each overlay span the values of its image's "
                'own map, as the model knows no map threshold'
            )
        return {
            'category': self.notes.category,
            'threshold': self.threshold,
            'chosen': self.chosen,
            'map_threshold': self.map_threshold,
            'colours': colours,
        }

    def depends_on(self) -> dict[str, Any]:
        """Return the threshold of the verdicts."""
        return {'threshold': self.threshold}

    def line(self, prediction: Prediction) -> str:
        """Return score and verdict."""
        return prediction.line()

    def summary(self, predictions: Sequence[Prediction]) -> str:
        """Count defective images, and name the threshold."""
        return AnomalyPrediction.summary(predictions, self.threshold)
