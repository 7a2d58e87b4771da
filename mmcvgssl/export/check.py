"""Comparison of an exported file with the model, on real images."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mmcvgssl.datasets.unreadable_share import MAX_UNREADABLE
from mmcvgssl.predictions import (
    BoxPrediction,
    ClassPrediction,
    Prediction,
)
from mmcvgssl.utils import current_logger, printable, some

# largest allowed difference, as a share of the largest value of its kind
TOLERANCES: Mapping[str, float] = {
    'float32': 1e-3,
    'float16': 1e-2,
    'int8': 0.1,
}
NONE_READ = (
    'expected images to compare the exported file on, and none of them can be '
    'read; give others by --images'
)


class ExportCheckError(ValueError):
    """An exported file does not say what the model says."""


def compare(
    expected: Iterable[Prediction],
    found: Iterable[Prediction],
    tolerance: float,
    flips: float = 0.0,
) -> dict[str, Any]:
    """Compare predictions of the same images.

    Scores and maps of anomaly models may differ by ``tolerance`` times the
    largest absolute score, and map value, of all images; probabilities and
    scores of boxes by ``tolerance``, corners of boxes by ``tolerance`` times
    the image's longer side. No verdict and no class may differ, and no box
    may appear or vanish, but in a share ``flips`` of the images.

    Args:
        expected: The model's, by PyTorch.
        found: The exported file's.
        tolerance: Largest difference.
        flips: Largest share of images with another verdict, in [0, 1).

    Returns:
        ``images``, ``tolerance``, the largest ``differences`` by kind of
        value, ``verdicts``: how often each was given, ``flips``: the images
        with another verdict, and ``unreadable``: those that neither can read.

    Raises:
        ExportCheckError: If a difference is larger, too many verdicts or
            classes differ, an image is read by one of them alone, more than
            a tenth cannot be read, or none has a box.
    """
    every = [*zip(expected, found, strict=True)]
    pairs = [(a, b) for a, b in every if a.is_read or b.is_read]
    if not pairs:
        raise ExportCheckError(NONE_READ)
    unreadable = [a for a, b in every if not (a.is_read or b.is_read)]
    _say(unreadable, len(every))
    verdicts: dict[str, int] = {}
    flipped: list[tuple[Any, Any]] = []
    same: list[tuple[Any, Any]] = []
    for a, b in pairs:
        if not (a.is_read and b.is_read):
            raise ExportCheckError(
                f'{a.path}: PyTorch says {_verdict(a)}, the exported file '
                f'{_verdict(b)} ({a.error or b.error}); nothing is written: '
                'leave the image out of --images'
            )
        theirs = _verdict(a)
        verdicts[theirs] = verdicts.get(theirs, 0) + 1
        (same if theirs == _verdict(b) else flipped).append((a, b))
    if len(flipped) > flips * len(pairs):
        raise _flip_error(flipped, len(pairs), flips)
    if not any(_has_values(a) for a, _ in same):
        raise ExportCheckError(
            'expected images with a box of a score of the threshold or more '
            'to compare the exported file on, and none has one; give others '
            'by --images'
        )
    differences = {}
    for name, (first, second, scale) in _values(same).items():
        apart = np.abs(first - second) / scale
        largest = float(apart.max()) if np.isfinite(apart).all() else math.nan
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
        'flips': len(flipped),
        'unreadable': len(unreadable),
    }


def _say(unreadable: Sequence[Prediction], images: int) -> None:
    """Name images that cannot be read; refuse more than a training would."""
    if not unreadable:
        return
    names = [printable(prediction.path) for prediction in unreadable]
    said = f'{some(names, "image")} of the {images} cannot be read'
    if len(unreadable) > MAX_UNREADABLE * images:
        raise ExportCheckError(
            f'{said}, more than the share of '
            f'{MAX_UNREADABLE:g} allowed; nothing is written: repair them, or '
            f'leave them out of --images; the last: {unreadable[-1].error}'
        )
    current_logger().warning(
        f'{said}: the exported file is compared on the others'
    )


def _flip_error(
    flipped: Sequence[tuple[Any, Any]], images: int, flips: float
) -> ExportCheckError:
    a, b = flipped[0]
    allowed = f', more than --flips {flips:g} allows' if flips else ''
    return ExportCheckError(
        f'{a.path}: PyTorch says {_verdict(a)} ({_value(a):.6g}), the '
        f'exported file {_verdict(b)} ({_value(b):.6g}), and so for '
        f'{len(flipped)} of {images} images{allowed}; nothing is written: '
        'export with a higher precision, choose a threshold further from '
        'these scores, or allow a share of other verdicts by --flips'
    )


def _verdict(prediction: Any) -> str:
    if not prediction.is_read:
        return 'not readable'
    if isinstance(prediction, ClassPrediction):
        return str(prediction.label)
    if isinstance(prediction, BoxPrediction):
        found = Counter(box['label'] for box in prediction.boxes or ())
        named = (f'{n} {label}' for label, n in sorted(found.items()))
        return ', '.join(named) or 'no box'
    return prediction.verdict or 'no verdict'


def _value(prediction: Any) -> float:
    value = (
        prediction.probability
        if isinstance(prediction, ClassPrediction)
        else prediction.score
    )
    return float('nan') if value is None else value


def _has_values(prediction: Any) -> bool:
    if isinstance(prediction, BoxPrediction):
        return bool(prediction.boxes)
    return True


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
    if isinstance(pairs[0][0], BoxPrediction):
        return _box_values(pairs)
    scores = [np.array([p[side].score for p in pairs]) for side in (0, 1)]
    maps = [
        np.concatenate([p[side].anomaly_map.ravel() for p in pairs])
        for side in (0, 1)
    ]
    return {
        name: (a, b, float(max(np.abs(a).max(), np.finfo(np.float32).tiny)))
        for name, (a, b) in (('scores', scores), ('maps', maps))
    }


def _box_values(
    pairs: list[tuple[Any, Any]],
) -> dict[str, tuple[np.ndarray, np.ndarray, float]]:
    """Match boxes by class and place; return their scores and corners."""
    scores, corners = [], []
    for a, b in pairs:
        left = list(b.boxes)
        side = max(a.size)
        for box in a.boxes:
            at = np.array(box['box'])
            same = [c for c in left if c['label'] == box['label']]
            match = min(
                same, key=lambda c: np.abs(np.array(c['box']) - at).max()
            )
            left.remove(match)
            scores.append((box['score'], match['score']))
            corners.append((at / side, np.array(match['box']) / side))
    values = np.array(scores)
    boxes = np.array(corners)
    return {
        'scores': (values[:, 0], values[:, 1], 1.0),
        'boxes': (boxes[:, 0].ravel(), boxes[:, 1].ravel(), 1.0),
    }
