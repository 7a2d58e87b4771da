"""Boxes of detectors beside labels that they have not learned from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmcvgssl.apis.self_training.detections import Detector
from mmcvgssl.apis.self_training.inputs import Labels
from mmcvgssl.datasets.coco_boxes import plain_box
from mmcvgssl.datasets.reading import UnreadableImageError
from mmcvgssl.evaluation.box_thresholds import BoxThresholds
from mmcvgssl.utils import some


def check_held_out(part: Labels, truth: Labels) -> None:
    """Refuse labels that no threshold can be chosen on.

    Args:
        part: Labels that a detector has not learned from.
        truth: The true labels that boxes are joined to.

    Raises:
        ValueError: If classes differ.
    """
    if part.classes != truth.classes:
        raise ValueError(
            f'{part.file} knows {part.classes}, and {truth.file} '
            f'{truth.classes}: expected the same categories in the same order'
        )


def compare(
    chooser: BoxThresholds,
    detector: Detector,
    part: Labels,
    root: Path,
    title: str,
) -> None:
    """Count the boxes that a detector finds in held-out images.

    Args:
        chooser: Counts them.
        detector: One that has not learned from these labels.
        part: The labels.
        root: Folder of the images.
        title: Of the bar that is shown.

    Raises:
        UnreadableImageError: If one of the images cannot be read.
    """
    found, errors = detector.detect(root, part.paths, title)
    if errors:
        raise UnreadableImageError(
            f'{some(errors, "image")} of {part.file} cannot be read: '
            f'{next(iter(errors.values()))}'
        )
    ids = {c['id']: i for i, c in enumerate(part.content['categories'])}
    names = {i['id']: i['file_name'] for i in part.content['images']}
    rows: dict[str, list] = {path: [] for path in part.paths}
    for entry in part.content['annotations']:
        box = plain_box(entry['bbox'])
        if box is not None and not (
            entry.get('iscrowd') or entry.get('ignore')
        ):
            x, y, w, h = box
            label = ids[entry['category_id']]
            rows[names[entry['image_id']]].append((x, y, x + w, y + h, label))
    for path, own in found.items():
        table = np.array(rows[path], np.float64).reshape(-1, 5)
        chooser.add(
            *(own.boxes, own.scores, own.labels),
            *(table[:, :4], table[:, 4].astype(np.int64)),
        )
