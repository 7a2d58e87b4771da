"""Use of crowds in the training of a detector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

from mmcvgssl.datasets.coco_seen import BACKGROUND, REGIONS
from mmcvgssl.runner.load_steps import type_name

_SHARE = 'ignore_iof_thr'


def use_of_crowds(model: Any, pipeline: Any, scope: str) -> str:
    """Return how a config's training uses boxes with ``iscrowd=1``.

    mmdet's assigners leave regions out of what is learned where
    ``ignore_iof_thr`` is above 0, and those of other kinds do not know them;
    mmyolo's ``LoadAnnotations`` drops them before. An image of crowds alone
    is background to all.

    Args:
        model: Config of the detector.
        pipeline: Pipeline of the data set it is trained on.
        scope: The config's default scope.

    Returns:
        ``BACKGROUND``, or ``REGIONS`` if all assigners leave them out.
    """
    shares = list(_shares(model))
    ignored = bool(shares) and all(share > 0 for share in shares)
    dropped = any(_drops(step, scope) for step in pipeline or ())
    return REGIONS if ignored and not dropped else BACKGROUND


def _shares(node: Any, is_assigner: bool = False) -> Iterator[float]:
    """Find the thresholds of all assigners, and of heads with their own."""
    if isinstance(node, Mapping):
        if is_assigner or _SHARE in node:
            yield node.get(_SHARE, -1)
        for key, value in node.items():
            yield from _shares(value, key == 'assigner')
    elif isinstance(node, (list, tuple)):
        for item in node:
            yield from _shares(item, is_assigner)


def _drops(step: MutableMapping[str, Any], scope: str) -> bool:
    if type_name(step) != 'LoadAnnotations':
        return False
    kind = step['type']
    if not isinstance(kind, str):
        return kind.__module__.startswith('mmyolo')
    own = kind.rpartition('.')[0].partition('.')[0]
    return (own or step.get('_scope_') or scope) == 'mmyolo'
