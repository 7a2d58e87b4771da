"""How a threshold was chosen, for the file that holds it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mmcvgssl.evaluation.operating_point import OperatingPoint
from mmcvgssl.models.anomaly.state_forms import Form

# ways to choose a threshold: on good images that nothing has learned from; on
# images scored by what the other folds have taught; on scores given by hand
HELD_OUT, CROSS_FIT = 'held-out', 'cross-fit'
# on images that the backbone was trained on: the interval does not hold
IN_SAMPLE = 'in-sample'
# name of the tensor of to_tensor()
POINT = Form((6,), torch.float64)
# what an update needs to know of the images that were measured: how many
# images there were in all, and the digests of the files of those measured
IMAGES = Form((), torch.int64)
HELD_OUT_DIGESTS = Form(('held out', 16), torch.uint8)
# with a threshold, their scores and highest map values, too
MEASURED = {
    'scores': Form(('n',)),
    'maxima': Form(('n',)),
}
_IN_SAMPLE = (
    'the backbone was trained on these images, so new good images may score '
    'higher: neither the rate nor an interval of it is known; hold images out'
)


def describe_choice(
    point: OperatingPoint,
    wanted: float,
    method: str,
    paths: Sequence[str] = (),
    note: str = '',
) -> dict[str, Any]:
    """Describe how a threshold was chosen, as values of JSON.

    Args:
        point: The chosen threshold.
        wanted: Share of good images that may lie above it.
        method: ``HELD_OUT``, ``CROSS_FIT``, ``GIVEN`` or ``IN_SAMPLE``.
        paths: Paths of the images whose scores it was chosen on, if known.
        note: Under which condition the interval holds.
    """
    known = method != IN_SAMPLE
    return {
        'method': method,
        'wanted_false_alarm_rate': wanted,
        'expected_false_alarm_rate': (
            point.false_alarm_rate if known else None
        ),
        'interval': list(point.interval) if known else None,
        'confidence': point.confidence,
        'good_images': point.n,
        'images_digest': digest_paths(paths),
        'note': note if known else _IN_SAMPLE,
    }


def cross_fit_note(weights: str = '') -> str:
    """Say when the interval of a cross-fitted threshold holds.

    Args:
        weights: The file of the backbone's weights, if they are from one.
    """
    return (
        'each image was scored by a density of the others: the interval holds '
        f'if {weights or "the weights of the backbone"} have learned from '
        'none of these images'
    )


def earlier_note(count: int) -> str:
    """Say when the interval of a threshold holds after an update.

    Args:
        count: Number of images that were not scored again.
    """
    return (
        f'{count} of the images were scored before the update: the interval '
        'holds if their scores have not changed by it; give the earlier '
        'images to have them scored again'
    )


def digest_paths(paths: Sequence[str]) -> str:
    """Digest a set of images by their paths below their common folder."""
    if not paths or not all(paths):
        return ''  # images without a file
    paths = [os.path.abspath(path) for path in paths]
    folder = os.path.commonpath([os.path.dirname(path) for path in paths])
    names = sorted(os.path.relpath(path, folder) for path in paths)
    text = ''.join(f'{name}\n' for name in names)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def to_tensor(point: OperatingPoint) -> Tensor:
    """Return an operating point as float64 [6], for a file of tensors."""
    values = [point.threshold, point.false_alarm_rate, *point.interval]
    return torch.tensor(
        [*values, point.confidence, point.n], dtype=torch.float64
    )


def from_tensor(encoded: Tensor) -> OperatingPoint:
    """Return what :func:`to_tensor` was given."""
    threshold, rate, low, high, confidence, n = encoded.tolist()
    return OperatingPoint(threshold, rate, (low, high), confidence, round(n))
