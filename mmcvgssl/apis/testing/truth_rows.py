"""What is true of tested images, as the tables of predictions hold it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from mmcvgssl.model_file.anomaly import KIND as ANOMALY
from mmcvgssl.model_file.detector import KIND as DETECTOR
from mmcvgssl.predictions import DEFECTIVE, GOOD


def truth_in(
    kind: str, sample: Any, classes: Sequence[str]
) -> dict[str, Any] | None:
    """Return what a data sample of a test says of the truth.

    Args:
        kind: Kind of the model.
        sample: Data sample, with what the data set knows of its image.
        classes: Names of classes, by index.

    Returns:
        ``name`` of the class or defect; of anomaly models and detectors,
        whether it is ``defective``; the path of the ``mask``, or ``boxes``,
        each with ``label`` and ``box``: x1, y1, x2, y2 in pixels of the
        upright image. None if nothing is known.

    Example:
        >>> from mmpretrain.structures import DataSample
        >>> truth_in('classifier', DataSample().set_gt_label(1), ['a', 'b'])
        {'name': 'b'}
    """
    if kind == DETECTOR:
        return _boxes(sample, classes)
    if 'gt_label' not in sample or sample.gt_label.numel() != 1:
        return None
    label = int(sample.gt_label)
    if kind != ANOMALY:
        return {'name': classes[label]}
    mask = sample.get('mask_path')
    return {
        'name': sample.get('defect') or (DEFECTIVE if label else GOOD),
        'defective': bool(label),
        'mask': None if mask is None else os.path.abspath(mask),
    }


def _boxes(sample: Any, classes: Sequence[str]) -> dict[str, Any] | None:
    # in pixels of the file, unlike gt_instances, and what metrics look at
    instances = sample.get('instances')
    if instances is None:
        return None
    boxes = [
        {
            'label': classes[int(one['bbox_label'])],
            'box': [float(value) for value in one['bbox']],
        }
        for one in instances
        if not one.get('ignore_flag')
    ]
    if instances and not boxes:  # crowds alone: not good, and not located
        return None
    name = boxes[0]['label'] if boxes else GOOD
    return {'name': name, 'defective': bool(boxes), 'boxes': boxes}
