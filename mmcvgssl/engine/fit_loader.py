"""Loaders of the images that map generators are fitted to."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS
from torch.utils.data import DataLoader, Dataset, Subset

from mmcvgssl.models.anomaly import AnomalyModel


def fit_loader(config: dict[str, Any], model: AnomalyModel) -> DataLoader:
    """Make a loader over all fitting images, not over one process's share.

    A model that learns from a sample gets one, drawn by the loader's seed.

    Args:
        config: Of ``fit_dataloader`` or ``holdout_dataloader``.
        model: What is fitted.
    """
    data_set: Dataset = DATASETS.build(config['dataset'])
    n, wanted = len(data_set), model.fit_sample  # type: ignore[arg-type]
    if 0 < wanted < n:
        random = torch.Generator().manual_seed(int(config.get('seed', 0)))
        drawn = torch.randperm(n, generator=random)[:wanted].sort().values
        data_set = Subset(data_set, drawn.tolist())
    return DataLoader(
        data_set,
        batch_size=config.get('batch_size', 16),
        num_workers=config.get('num_workers', 0),
        collate_fn=pseudo_collate,
    )


def holdout_loader(cfg: Config, model: AnomalyModel) -> DataLoader | None:
    """Make a loader over the images held out, if the config names some."""
    config = cfg.get('holdout_dataloader')
    return None if config is None else fit_loader(config.to_dict(), model)
