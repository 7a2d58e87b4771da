"""The class of predictions for each kind of model file."""

from __future__ import annotations

from collections.abc import Mapping

from mmcvgssl.apis.prediction.anomaly_kind import AnomalyKind
from mmcvgssl.apis.prediction.boxes import BoxKind
from mmcvgssl.apis.prediction.classes import ClassKind
from mmcvgssl.apis.prediction.notes import Notes
from mmcvgssl.apis.prediction.prediction_kind import Computes, PredictionKind

_KINDS: Mapping[str, type[PredictionKind]] = {
    'anomaly': AnomalyKind,
    'classifier': ClassKind,
    'detector': BoxKind,
}


def kind_of(
    notes: Notes, compute: Computes, threshold: float | None = None
) -> PredictionKind:
    """Return what predicts with a model file, or an exported one.

    Args:
        notes: What the file says.
        compute: Its model.
        threshold: Threshold that replaces the model's.

    Raises:
        ValueError: If the threshold is none, or nothing predicts with this
            kind.
    """
    if notes.kind not in _KINDS:
        raise ValueError(
            f'expected a model file of kind {", ".join(_KINDS)}, got one of '
            f'kind {notes.kind}: predict by a file of mmcvgssl fit'
        )
    return _KINDS[notes.kind](notes, compute, threshold)
