"""Comparison of an exported file with the model, on real images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from mmcvgssl.predictions import (
    AnomalyPrediction,
    ClassPrediction,
    Prediction,
)

# largest allowed difference, as a share of the largest value of its kind
TOLERANCES: Mapping[str, float] = {
    'float32': 1e-3,
    'float16': 1e-2,
    'int8': 0.1,
}


class ExportCheckError(ValueError):
    """An exported file does not say what the model says."""


def compare(
    expected: Iterable[Prediction],
    found: Iterable[Prediction],
    tolerance: float,
) -> dict[str, Any]:
    """Compare predictions of the same images.

    Scores and maps of anomaly models may differ by ``tolerance`` times the
    largest absolute score, and map value, of all images; probabilities by
    ``tolerance``. No verdict and no class may differ.

    Args:
        expected: The model's, by PyTorch.
        found: The exported file's.
        tolerance: Largest difference.

    Returns:
        ``images``, ``tolerance``, the largest ``differences`` by kind of
        value, and ``verdicts``: how often each was given.

    Raises:
        ExportCheckError: If a difference is larger, a verdict or class
            differs, or no image can be read.
    """
    pairs = [
        (a, b)
        for a, b in zip(expected, found, strict=True)
        if a.is_read or b.is_read
    ]
    if not pairs:
        raise ExportCheckError(
            'expected images to compare the exported file on, and none of '
            'them can be read; give others by --images'
        )
    verdicts: dict[str, int] = {}
    for a, b in pairs:
        theirs, own = _verdict(a), _verdict(b)
        verdicts[theirs] = verdicts.get(theirs, 0) + 1
        if theirs != own:
            raise ExportCheckError(
                f'{a.path}: PyTorch says {theirs} ({_value(a):.6g}), the '
                f'exported file {own} ({_value(b):.6g}); nothing is written: '
                'export with a higher precision, or choose a threshold '
                'further from these scores'
            )
    values = _values(pairs)
    differences = {}
    for name, (first, second, scale) in values.items():
        apart = np.abs(first - second) / scale
        worst = int(np.argmax(apart)) if np.isfinite(apart).all() else -1
        largest = float(apart[worst]) if worst >= 0 else float('nan')
        differences[name] = largest
        if not largest <= tolerance:
            raise ExportCheckError(
                f'the {name} of the exported file differ from those of '
                f'PyTorch by {largest:.3g} of their largest, more than the '
                f'tolerance of {tolerance:g}; nothing is written: export '
                'with a higher precision, or allow more by --tolerance'
            )
    return {
        'images': len(pairs),
        'tolerance': tolerance,
        'differences': differences,
        'verdicts': verdicts,
    }


def _verdict(prediction: Any) -> str:
    if not prediction.is_read:
        return 'not readable'
    if isinstance(prediction, ClassPrediction):
        return str(prediction.label)
    return prediction.verdict or 'no verdict'


def _value(prediction: Any) -> float:
    value = (
        prediction.probability
        if isinstance(prediction, ClassPrediction)
        else prediction.score
    )
    return float('nan') if value is None else value


def _values(
    pairs: list[tuple[Any, Any]],
) -> dict[str, tuple[np.ndarray, np.ndarray, float]]:
    """Return values of both sides, flat, and what they are compared with."""
    if isinstance(pairs[0][0], ClassPrediction):
        both = [
            np.array([[*p[side].probabilities.values()] for p in pairs])
            for side in (0, 1)
        ]
        return {'probabilities': (both[0].ravel(), both[1].ravel(), 1.0)}
    assert isinstance(pairs[0][0], AnomalyPrediction)
    scores = [np.array([p[side].score for p in pairs]) for side in (0, 1)]
    maps = [
        np.concatenate([p[side].anomaly_map.ravel() for p in pairs])
        for side in (0, 1)
    ]
    return {
        name: (a, b, float(max(np.abs(a).max(), np.finfo(np.float32).tiny)))
        for name, (a, b) in (('scores', scores), ('maps', maps))
    }
