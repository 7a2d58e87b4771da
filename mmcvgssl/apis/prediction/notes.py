"""What a model file or an exported file says of its predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Notes:
    """What predictions mean, whatever computes them.

    Args:
        kind: Kind of the model file.
        classes: Names of classes, by index.
        category: Category of the images; empty if unknown.
        threshold: Score above which an image is called defective, or from
            which on a box counts; None: there is none.
        map_threshold: Value that maps of good images hardly exceed.
        chosen: How the threshold was chosen, or the classifier learned.
    """

    kind: str
    classes: Sequence[str] = ()
    category: str = ''
    threshold: float | None = None
    map_threshold: float | None = None
    chosen: Mapping[str, Any] = field(default_factory=dict)
