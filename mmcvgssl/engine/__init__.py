"""Hooks and wrappers for what a config cannot say."""

from mmcvgssl.engine.allocator import keep_freed_memory
from mmcvgssl.engine.autocast_optim_wrapper import AutocastOptimWrapper
from mmcvgssl.engine.epoch_seed_hook import EpochSeedHook
from mmcvgssl.engine.invalid_loss_hook import (
    InvalidLossError,
    InvalidLossHook,
)

__all__ = [
    'AutocastOptimWrapper',
    'EpochSeedHook',
    'InvalidLossError',
    'InvalidLossHook',
    'keep_freed_memory',
]
