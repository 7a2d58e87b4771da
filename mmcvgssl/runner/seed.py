"""The seed of a run, for the views that it trains on."""

from __future__ import annotations

from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from mmcvgssl.datasets import SurfaceImages
from mmcvgssl.engine import EpochSeedHook
from mmcvgssl.registry import DATASETS


def seed_views(cfg: Config) -> None:
    """Give data sets of views in ``train_dataloader`` the run's seed.

    Those with a seed of their own keep it.

    Args:
        cfg: Whole config; changed in place.
    """
    seed = cfg.get('randomness', {}).get('seed')
    if seed is not None:
        for data_set in _view_configs(cfg.get('train_dataloader')):
            data_set.setdefault('seed', seed)


def ensure_epoch_seeds(runner: Runner) -> None:
    """Add the hook that passes the epoch to views, if it is missing."""
    present = any(isinstance(hook, EpochSeedHook) for hook in runner.hooks)
    if not present and _view_configs(runner.cfg.get('train_dataloader')):
        runner.logger.info('mmcvgssl.EpochSeedHook added: views need epochs')
        runner.register_hook(EpochSeedHook())


def _view_configs(node: Any) -> list[dict]:
    """Find the configs of data sets of views, in wrappers, too."""
    if isinstance(node, (list, tuple)):
        return [found for part in node for found in _view_configs(part)]
    if not isinstance(node, dict):
        return []
    kind = node.get('type')
    if isinstance(kind, str):
        kind = DATASETS.get(kind.rpartition('.')[2])
    if isinstance(kind, type) and issubclass(kind, SurfaceImages):
        return [node]
    parts = [node.get('dataset'), node.get('datasets')]
    return [found for part in parts for found in _view_configs(part)]
