"""Transforms of a prediction, from those of a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmcvgssl.datasets.tiles import (
    cut_steps,
    uncut_steps,
    whole_if_tiled,
)
from mmcvgssl.model_file import frozen
from mmcvgssl.weights.safe_config import (
    SCOPES,
    check_transforms,
    registered_in,
)

META_KEYS = ('sample_idx', 'img_path', 'ori_shape', 'category')


def prediction_steps(
    steps: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Return the transforms of a test without those of masks and labels.

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
    plain = [frozen.plain_config(step) for step in steps]
    chosen = [
        step
        for step in plain
        if not step['type'].endswith(('LoadMask', 'PackInputs'))
    ]
    packed = dict(type='mmpretrain.PackInputs', meta_keys=list(META_KEYS))
    return whole_if_tiled([*chosen, packed])


def images_of(
    steps: Sequence[Mapping[str, Any]], source: str
) -> dict[str, Any]:
    """Return ``images`` of a model file.

    Args:
        steps: Transforms from a path to the input, settled.
        source: The file, for messages.

    Raises:
        mmcvgssl.weights.WeightsError: If one is not of those that a file may
            name.
    """
    return {'pipeline': check_transforms(list(steps), source)}


def detection_steps(
    steps: Sequence[Mapping[str, Any]],
    scope: str = 'mmdet',
    tile: int | str | None = None,
    overlap: int | None = None,
) -> list[dict[str, Any]]:
    """Return the transforms of a detector's test, without the true boxes.

    Args:
        steps: Configs of the transforms of a test.
        scope: Scope of names without a scope.
        tile: Side of the tiles that images are cut into; None: as the steps
            do.
        overlap: Pixels that these share; see :func:`cut_steps`.

    Returns:
        Plain configs, types with their scopes.

    Raises:
        ValueError: If tiles are out of range.

    Example:
        >>> steps = [
        ...     dict(type='mmcvgssl.LoadImage'),
        ...     dict(type='Resize', scale=(64, 64), keep_ratio=True),
        ...     dict(type='LoadAnnotations', with_bbox=True),
        ...     dict(type='PackDetInputs', meta_keys=('img_id', 'instances')),
        ... ]
        >>> [step['type'] for step in detection_steps(steps)]
        ['mmcvgssl.LoadImage', 'mmdet.Resize', 'mmdet.PackDetInputs']
    """
    chosen = []
    plain = [step for step in steps if isinstance(step, Mapping)]
    known = None
    if len(plain) == len(steps):
        steps, known = uncut_steps(steps)
    if tile is None and overlap is None and known is not None:
        tile, overlap = known
    for step in steps:
        made = frozen.plain_config(step)
        kind = made.get('type') if isinstance(made, dict) else None
        if not isinstance(kind, str):
            chosen.append(made)  # the check of the steps reports what is wrong
            continue
        own = made.pop('_scope_', None)
        if kind.endswith('LoadAnnotations'):
            continue
        if '.' not in kind:
            made['type'] = _with_scope(kind, own or scope)
        keys = made.get('meta_keys')
        if isinstance(keys, list):
            made['meta_keys'] = [key for key in keys if key != 'instances']
        chosen.append(made)
    if tile is None and overlap is None:
        return chosen
    return cut_steps(chosen, tile, overlap)


def _with_scope(name: str, scope: str) -> str:
    """Return a transform's name with the scope that registers it."""
    if scope not in SCOPES or registered_in(scope, 'TRANSFORMS', name) is None:
        return f'mmengine.{name}'
    return f'{scope}.{name}'
