"""Reading data samples for metrics of anomaly detection."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mmcvgssl.maps import resize_map
from mmcvgssl.predictions import calls_defective

UNNAMED = 'unnamed'


def read_sample(
    sample: Mapping[str, Any], pixel: bool, name: str
) -> tuple[str, dict[str, Any]]:
    """Check a data sample; resize its map to its mask.

    Args:
        sample: See :class:`AnomalyMetric`.
        pixel: Whether to read map and mask.
        name: Name of the image in messages, if it has no ``img_path``.

    Returns:
        Its category and the arguments of :meth:`CategoryScores.add`.

    Raises:
        ValueError: If something is missing, misshaped or not finite.
    """
    where = sample.get('img_path') or name
    is_defective = bool(_number(sample, 'gt_label', where))
    defect = sample.get('defect')
    image: dict[str, Any] = {
        'score': _number(sample, 'anomaly_score', where),
        'is_defective': is_defective,
        'defect': None if defect is None else str(defect),
    }
    if sample.get('threshold') is not None:
        threshold = float(sample['threshold'])
        image['above'] = calls_defective(image['score'], threshold)
    if pixel:
        anomaly_map = _plane(sample, 'anomaly_map', where).float()
        if not bool(torch.isfinite(anomaly_map).all()):
            raise ValueError(
                f'{where}: NaN or infinity in anomaly_map; check the model '
                'and its weights'
            )
        mask = _mask(sample, is_defective, where)
        if mask is not None:
            image['mask'] = mask.cpu().numpy()
        # a copy: the metric uses it after the next batch was computed
        values = anomaly_map.cpu().numpy().copy()
        if mask is not None:
            values = resize_map(values, mask.shape)
        image['anomaly_map'] = values
    return str(sample.get('category') or UNNAMED), image


def _tensor(sample: Mapping[str, Any], key: str, where: str) -> Tensor:
    value = sample.get(key)
    if value is None:
        raise ValueError(
            f'{where}: no {key} in the data sample; the model gives '
            'anomaly_score and anomaly_map, the data set gt_label'
        )
    return torch.as_tensor(value).detach()


def _number(sample: Mapping[str, Any], key: str, where: str) -> float:
    value = _tensor(sample, key, where)
    if value.numel() != 1:
        raise ValueError(
            f'{where}: {key} must be one number, got shape '
            f'{tuple(value.shape)}'
        )
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(
            f'{where}: {key} is {number}; check the model and its weights'
        )
    return number


def _plane(sample: Mapping[str, Any], key: str, where: str) -> Tensor:
    value = _tensor(sample, key, where)
    if value.ndim != 2 or not value.numel():
        raise ValueError(
            f'{where}: {key} must have shape [H, W], got {tuple(value.shape)}'
        )
    return value


def _mask(
    sample: Mapping[str, Any], is_defective: bool, where: str
) -> Tensor | None:
    """Return booleans [H, W], or None if the mask is unknown."""
    if sample.get('gt_mask') is not None:
        mask = _plane(sample, 'gt_mask', where) > 0
        if not is_defective and bool(mask.any()):
            raise ValueError(
                f'{where}: gt_label says good, but gt_mask has defective '
                'pixels; correct one of them'
            )
        return mask
    if is_defective:
        return None
    if sample.get('ori_shape') is None:
        raise ValueError(
            f'{where}: a good image needs gt_mask or metainfo ori_shape; add '
            "'ori_shape' to the meta_keys of the last transform, or set "
            'pixel=False of AnomalyMetric'
        )
    height, width = sample['ori_shape'][:2]
    return torch.zeros(height, width, dtype=torch.bool)
