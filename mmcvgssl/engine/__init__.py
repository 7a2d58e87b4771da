"""Loops, hooks and wrappers that mmengine's Runner builds from a config.

Only for what the settings of a host cannot say. Stands on ``datasets``,
``maps``, ``models``, ``provenance``, ``weights``.
"""

from mmcvgssl.engine.allocator import keep_freed_memory
from mmcvgssl.engine.anomaly_fit_hook import AnomalyFitHook
from mmcvgssl.engine.atomic_backend import (
    AtomicBackend,
    write_atomically,
)
from mmcvgssl.engine.autocast_optim_wrapper import AutocastOptimWrapper
from mmcvgssl.engine.channels_last_hook import ChannelsLastHook
from mmcvgssl.engine.check_weights_hook import CheckWeightsHook
from mmcvgssl.engine.deferred_info_hook import DeferredInfoHook
from mmcvgssl.engine.epoch_seed_hook import EpochSeedHook
from mmcvgssl.engine.fit_checkpoint_hook import FitCheckpointHook
from mmcvgssl.engine.fit_loop import FitLoop, fit
from mmcvgssl.engine.invalid_loss_hook import (
    InvalidLossError,
    InvalidLossHook,
)
from mmcvgssl.engine.load_backbone_hook import (
    LoadBackboneHook,
    check_backbone_checkpoint,
)
from mmcvgssl.engine.map_loop import MapLoop
from mmcvgssl.engine.more_workers_hook import MoreWorkersHook
from mmcvgssl.engine.progress_hook import ProgressHook
from mmcvgssl.engine.skipped_images_hook import SkippedImagesHook
from mmcvgssl.engine.sspcab_loss_hook import (
    SSPCABLossHook,
    collect_sspcab_loss,
)
from mmcvgssl.engine.tiled_detection_hook import TiledDetectionHook
from mmcvgssl.engine.unfreeze_hook import UnfreezeHook
from mmcvgssl.engine.views_val_loop import ViewsValLoop

__all__ = [
    'AnomalyFitHook',
    'AtomicBackend',
    'AutocastOptimWrapper',
    'ChannelsLastHook',
    'CheckWeightsHook',
    'DeferredInfoHook',
    'EpochSeedHook',
    'FitCheckpointHook',
    'FitLoop',
    'InvalidLossError',
    'InvalidLossHook',
    'LoadBackboneHook',
    'MapLoop',
    'MoreWorkersHook',
    'ProgressHook',
    'SSPCABLossHook',
    'SkippedImagesHook',
    'TiledDetectionHook',
    'UnfreezeHook',
    'ViewsValLoop',
    'check_backbone_checkpoint',
    'collect_sspcab_loss',
    'fit',
    'keep_freed_memory',
    'write_atomically',
]
