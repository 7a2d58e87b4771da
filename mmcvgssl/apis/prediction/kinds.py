"""The class of predictions for each kind of model file."""

from __future__ import annotations

from collections.abc import Mapping

from mmcvgssl.apis.prediction.anomaly import AnomalyKind
from mmcvgssl.apis.prediction.boxes import BoxKind
from mmcvgssl.apis.prediction.classes import ClassKind
from mmcvgssl.apis.prediction.prediction_kind import PredictionKind
from mmcvgssl.model_file import LoadedModel
from mmcvgssl.model_file.anomaly import KIND as ANOMALY
from mmcvgssl.model_file.classifier import KIND as CLASSIFIER
from mmcvgssl.model_file.detector import KIND as DETECTOR

_KINDS: Mapping[str, type[PredictionKind]] = {
    ANOMALY: AnomalyKind,
    CLASSIFIER: ClassKind,
    DETECTOR: BoxKind,
}


def kind_of(
    loaded: LoadedModel, threshold: float | None = None
) -> PredictionKind:
    """Return what predicts with a model file.

    Args:
        loaded: A loaded model of the file.
        threshold: Threshold that replaces the model's.

    Raises:
        ValueError: If the threshold is none, or nothing predicts with this
            kind.
    """
    if loaded.content.kind not in _KINDS:
        raise ValueError(
            f'expected a model file of kind {", ".join(_KINDS)}, got one of '
            f'kind {loaded.content.kind}: predict by a file of tools/fit.py'
        )
    return _KINDS[loaded.content.kind](loaded, threshold)
