"""How the hosts' heads choose boxes, as the runtime chooses them."""

from __future__ import annotations

from typing import Any

from mmcvgssl.export.dense_boxes import BoxRules

# more boxes than any image has
MANY = 100_000


def rules_of(settings: Any, source: str, key: str = 'test_cfg') -> BoxRules:
    """Return the rules by which a head with NMS chooses boxes.

    Args:
        settings: The head's ``test_cfg``.
        source: The file, for messages.
        key: Where it stands in the model's config, for messages.

    Raises:
        ValueError: If the runtime does not choose by one of them.
    """
    threshold = nms_threshold(settings, source, key)
    return BoxRules(
        score_threshold=float(settings.get('score_thr', -1)),
        iou_threshold=threshold,
        candidates=int(settings.get('nms_pre', MANY)),
        most=int(settings.get('max_per_img', MANY)),
        several=bool(settings.get('multi_label', False)),
        flat=settings.get('min_bbox_size', -1) < 0,
    )


def nms_threshold(settings: Any, source: str, key: str) -> float:
    """Return the overlap (IoU) from which on NMS drops boxes.

    Args:
        settings: The part of ``test_cfg`` that names the NMS.
        source: The file, for messages.
        key: Where it stands in the model's config, for messages.

    Raises:
        ValueError: If it is another NMS than the runtime's.
    """
    nms = settings.get('nms') or {}
    odd = [
        f'{key}={value!r}'
        for key, value in nms.items()
        if key not in ('type', 'iou_threshold', 'split_thr')
    ]
    if nms.get('type', 'nms') != 'nms' or 'iou_threshold' not in nms:
        odd.append(f'type={nms.get("type")!r}')
    if settings.get('yolox_style') or settings.get('min_bbox_size', -1) > 0:
        odd.append('yolox_style or min_bbox_size')
    if odd:
        raise ValueError(
            f'{source}: exported detectors choose boxes by '
            "nms=dict(type='nms', iou_threshold=VALUE), got "
            f'{", ".join(odd)} in model.{key}; choose these settings for '
            'mmcvgssl export-model'
        )
    return float(nms['iou_threshold'])
