"""Labels and the boxes of a detector in one COCO file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mmcvgssl.apis.self_training.detections import Detections
from mmcvgssl.datasets.coco_file import JOINED, PSEUDO
from mmcvgssl.evaluation.box_thresholds import BoxThreshold

_DIGITS = 2  # of a coordinate, pixels


@dataclass(frozen=True)
class JoinOptions:
    """What becomes of boxes and images below the thresholds.

    Args:
        background: Images whose best box has a score below it join as images
            without a defect; None: none does.
        ignore_from: Boxes from this score to the threshold join as crowds,
            which detectors that know these learn nothing from; None: they
            are left out.

    Raises:
        ValueError: If one is out of range.
    """

    background: float | None = None
    ignore_from: float | None = None

    def __post_init__(self) -> None:
        for name in ('background', 'ignore_from'):
            value = getattr(self, name)
            if value is not None and not 0 < value <= 1:
                raise ValueError(
                    f'{name.replace("_", "-")} is a score in (0, 1], got '
                    f'{value}'
                )


@dataclass
class Joined:
    """Labels joined with boxes.

    Args:
        content: The COCO file.
        boxes: Boxes of the detector that joined, by image: path to rows of
            its detections.
        background: Images that joined as images without a defect.
        left_out: Images without a box that is believed, which are not in
            the file.
        ignored: Number of boxes that joined as crowds.
        counts: Number of boxes that joined, by class.
    """

    content: dict[str, Any]
    boxes: dict[str, np.ndarray] = field(default_factory=dict)
    background: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    ignored: int = 0
    counts: list[int] = field(default_factory=list)


def join(
    labels: Mapping[str, Any],
    found: Mapping[str, Detections],
    thresholds: Sequence[BoxThreshold],
    options: JoinOptions | None = None,
) -> Joined:
    """Add images with the boxes that are believed to true labels.

    An image none of whose boxes is believed may hold a defect that the
    detector is not sure of, so it is left out.

    Args:
        labels: Content of the COCO file of true labels; stays as it is.
        found: Boxes by path of images that it does not know.
        thresholds: One for each of its categories, in their order.
        options: What becomes of the others.
    """
    rules = options or JoinOptions()
    keys = [category['id'] for category in labels['categories']]
    info = labels.get('info')
    made: dict[str, Any] = {
        **labels,
        'info': {
            **(info if isinstance(info, dict) else {}),
            'description': JOINED,
        },
        'images': list(labels['images']),
        'annotations': list(labels['annotations']),
    }
    joined = Joined(made, counts=[0] * len(keys))
    next_image, next_box = (
        max((entry['id'] for entry in labels[part]), default=0) + 1
        for part in ('images', 'annotations')
    )
    cuts = np.array(
        [np.inf if t.score is None else t.score for t in thresholds]
    )
    for path, own in found.items():
        good = own.scores >= cuts[own.labels]
        best = own.scores.max(initial=0.0)
        sure = rules.background is not None and best < rules.background
        if not good.any() and not sure:
            joined.left_out.append(path)
            continue
        if good.any():
            joined.boxes[path] = np.flatnonzero(good)
        else:
            joined.background.append(path)
        height, width = own.size
        made['images'].append(
            {
                'id': next_image,
                'file_name': path,
                'height': height,
                'width': width,
            }
        )
        crowds = np.zeros_like(good)
        if rules.ignore_from is not None and good.any():
            crowds = ~good & (own.scores >= rules.ignore_from)
        for row in np.flatnonzero(good | crowds).tolist():
            label = int(own.labels[row])
            made['annotations'].append(
                {
                    'id': next_box,
                    'image_id': next_image,
                    'category_id': keys[label],
                    **_bbox(own.boxes[row]),
                    'iscrowd': int(crowds[row]),
                    'segmentation': [],
                    'score': round(float(own.scores[row]), 4),
                    PSEUDO: True,
                }
            )
            next_box += 1
            if crowds[row]:
                joined.ignored += 1
            else:
                joined.counts[label] += 1
        next_image += 1
    return joined


def _bbox(box: np.ndarray) -> dict[str, Any]:
    """Return left, top, width and height, and the area."""
    # both corners rounded, so that it ends at the image's border
    x1, y1, x2, y2 = (round(float(value), _DIGITS) for value in box)
    width, height = round(x2 - x1, _DIGITS), round(y2 - y1, _DIGITS)
    return {
        'bbox': [x1, y1, width, height],
        'area': round(width * height, _DIGITS),
    }
