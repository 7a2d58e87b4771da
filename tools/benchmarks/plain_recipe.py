"""A recipe of views as mmpretrain's own parts would run it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.config import Config

from mmcvgssl.datasets.transforms.multi_crop import CROP_SCALES

# ours, and what of the hosts it replaces
HOSTS = {
    'mmcvgssl.LoadImage': dict(type='LoadImageFromFile'),
    'mmcvgssl.FastColorJitter': dict(
        type='mmpretrain.ColorJitter', backend='cv2'
    ),
    'mmcvgssl.FastPackInputs': dict(type='mmpretrain.PackInputs'),
    'mmcvgssl.InPlaceSelfSupDataPreprocessor': dict(
        type='mmpretrain.SelfSupDataPreprocessor'
    ),
}


def as_hosts(cfg: Config) -> Config:
    """Return a recipe with mmpretrain's transforms, in float32.

    Views come from ``MultiView``, an update is mmengine's, and the memory of
    models is laid out as PyTorch does. Data set, model and options stay.

    Args:
        cfg: A recipe whose only wrapper of transforms is ``MultiCrop``.
    """
    cfg = Config(cfg.to_dict())
    data = cfg.train_dataloader.dataset
    data.pipeline = [_step(step) for step in data.pipeline]
    cfg.data_preprocessor = _step(cfg.data_preprocessor)
    cfg.optim_wrapper.type = 'OptimWrapper'
    cfg.model.channels_last = False
    return cfg


def _step(step: dict) -> dict[str, Any]:
    if step['type'] == 'mmcvgssl.MultiCrop':
        return _views(**{k: v for k, v in step.items() if k != 'type'})
    return {**step, **HOSTS.get(step['type'], {})}


def _views(
    view_size: int,
    weak_transforms: Sequence[dict],
    crop_transforms: Sequence[dict],
    weak_scale: Sequence[float] | None = (0.08, 1.0),
    crop_scales: Sequence[Sequence[float]] = CROP_SCALES,
) -> dict[str, Any]:
    views = []
    for scale in (weak_scale, *crop_scales):
        crop: dict[str, Any] = dict(
            type='mmpretrain.RandomResizedCrop',
            scale=view_size,
            crop_ratio_range=tuple(scale or ()),
        )
        if scale is None:
            crop = dict(type='Resize', scale=(view_size, view_size))
        after = crop_transforms if views else weak_transforms
        views.append([crop, *map(_step, after)])
    counts = [1] * len(views)
    return dict(type='MultiView', num_views=counts, transforms=views)
