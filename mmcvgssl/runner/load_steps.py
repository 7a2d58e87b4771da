"""The steps and data sets of a config that read images or masks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

from mmcvgssl.provenance import IMAGE_OPTIONS

# top-level options of a config, by the step that takes them
OPTIONS = {
    'LoadImage': IMAGE_OPTIONS,
    'LoadMask': ('page', 'max_pixels'),
    'SquareResize': ('tile', 'overlap'),
    'KeAD': ('depth_range',),
    'SurfaceImages': ('max_unreadable',),
    'OneClassDataset': ('max_unreadable',),
    'AnomalyMapDataset': ('max_unreadable',),
    'ImageList': ('max_unreadable',),
    'MapLoop': ('max_unreadable',),
}


def load_steps(
    node: Any, cached: bool = True
) -> Iterator[MutableMapping[str, Any]]:
    """Find what takes options at the top, at any depth of a config.

    Args:
        node: The config, or a part of it.
        cached: Whether steps count whose results ``Cached`` stores.
    """
    if isinstance(node, MutableMapping):
        if type_name(node) in OPTIONS:
            yield node
        if not cached and type_name(node) == 'Cached':
            return
        for value in node.values():
            yield from load_steps(value, cached)
    elif isinstance(node, (list, tuple)):
        for item in node:
            yield from load_steps(item, cached)


def image_steps(
    node: Any, cached: bool = True
) -> Iterator[MutableMapping[str, Any]]:
    """Find the steps that load images; see :func:`load_steps`."""
    for step in load_steps(node, cached):
        if type_name(step) == 'LoadImage':
            yield step


def type_name(step: Mapping[str, Any]) -> str:
    """Return the name of a step's type, without its scope."""
    kind = step.get('type', '')
    return getattr(kind, '__name__', str(kind)).rpartition('.')[2]
