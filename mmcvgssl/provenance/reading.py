"""How images were read, from the records of results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# options of LoadImage, which decide what pixels a file has
IMAGE_OPTIONS = ('depth_range', 'page', 'max_pixels')

# options of read_image, by name
Reading = dict[str, Any]


def reading_in(values: Mapping[str, Any]) -> Reading:
    """Return how images were read, for :func:`read_image`.

    Args:
        values: Values of a provenance, with those of the transforms.
    """
    found: dict[str, Any] = dict.fromkeys(IMAGE_OPTIONS)
    ends = []
    for name, value in sorted(values.items()):
        step, _, key = name.partition(' LoadImage.')
        if not step.startswith('transforms'):
            continue
        if key.startswith('depth_range.'):
            ends.append(value)
        elif key in found:
            found[key] = value
    if len(ends) > 1:
        found['depth_range'] = ends[0], ends[1]
    return found
