"""Plain modules and functions shared by the models."""

from mmcvgssl.models.layers.gather import gather_rows, whole_gradient
from mmcvgssl.models.layers.global_pool import global_pool
from mmcvgssl.models.layers.insertion import collect_losses, insert_sspcab
from mmcvgssl.models.layers.resize_images import resize_images
from mmcvgssl.models.layers.sspcab import SSPCAB
from mmcvgssl.models.layers.sync_batch_norm import (
    replace_sync_batch_norm,
    synchronize_batch_norm,
)

__all__ = [
    'SSPCAB',
    'collect_losses',
    'gather_rows',
    'global_pool',
    'insert_sspcab',
    'replace_sync_batch_norm',
    'resize_images',
    'synchronize_batch_norm',
    'whole_gradient',
]
