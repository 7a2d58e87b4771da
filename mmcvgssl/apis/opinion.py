"""What a classifier thinks of images while they are labelled."""

from __future__ import annotations

from dataclasses import dataclass, field

from mmcvgssl.predictions import ClassPrediction


@dataclass
class Opinion:
    """What a classifier thinks of images while they are labelled.

    Args:
        predictions: By path, of all images that could be read; none as long
            as there are fewer than two classes.
        order: Paths without a label, those worth labelling first in front.
        chosen: How many of them :func:`mmcvgssl.selection.select` has
            chosen; the others follow by uncertainty.

    Example:
        >>> Opinion({}, ['b.png', 'a.png'], 1).order
        ['b.png', 'a.png']
    """

    predictions: dict[str, ClassPrediction] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    chosen: int = 0
