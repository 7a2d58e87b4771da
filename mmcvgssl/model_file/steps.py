"""From the transforms of a test to those of a prediction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

META_KEYS = ('sample_idx', 'img_path', 'ori_shape', 'category')


def prediction_steps(
    steps: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Read and resize as for a test, without masks and labels.

    Args:
        steps: Configs of the transforms of a test, or of a fit.

    Returns:
        Plain configs, the last of which packs the input.

    Example:
        >>> steps = [
        ...     dict(type='mmcvgssl.LoadImage'),
        ...     dict(type='mmcvgssl.LoadMask'),
        ...     dict(type='mmpretrain.PackInputs', algorithm_keys=['mask']),
        ... ]
        >>> [step['type'] for step in prediction_steps(steps)]
        ['mmcvgssl.LoadImage', 'mmpretrain.PackInputs']
    """
    kept = [
        json.loads(json.dumps(step))
        for step in steps
        if not step['type'].endswith(('LoadMask', 'PackInputs'))
    ]
    packed = dict(type='mmpretrain.PackInputs', meta_keys=list(META_KEYS))
    return [*kept, packed]
