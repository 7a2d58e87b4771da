"""Plain modules and functions shared by the models."""

from mmcvgssl.models.layers.channel_scales import channel_scales
from mmcvgssl.models.layers.fast_depthwise import FastDepthwise
from mmcvgssl.models.layers.fast_linear import linear, two_layers
from mmcvgssl.models.layers.gather import gather_rows, whole_gradient
from mmcvgssl.models.layers.global_pool import global_pool
from mmcvgssl.models.layers.resize_images import (
    filtered,
    resize_images,
    resizing_by_tables,
)
from mmcvgssl.models.layers.sspcab import SSPCAB
from mmcvgssl.models.layers.sspcab_loss import (
    add_sspcab_loss,
    needs_sspcab_loss,
    sspcab_losses,
    with_sspcab_loss,
)
from mmcvgssl.models.layers.sync_batch_norm import (
    replace_sync_batch_norm,
    synchronize_batch_norm,
)

__all__ = [
    'SSPCAB',
    'FastDepthwise',
    'add_sspcab_loss',
    'channel_scales',
    'filtered',
    'gather_rows',
    'global_pool',
    'linear',
    'needs_sspcab_loss',
    'replace_sync_batch_norm',
    'resize_images',
    'resizing_by_tables',
    'sspcab_losses',
    'synchronize_batch_norm',
    'two_layers',
    'whole_gradient',
    'with_sspcab_loss',
]
