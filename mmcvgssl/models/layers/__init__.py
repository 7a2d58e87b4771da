"""Plain modules and functions shared by the models."""

from mmcvgssl.models.layers.global_pool import global_pool
from mmcvgssl.models.layers.insertion import collect_losses, insert_sspcab
from mmcvgssl.models.layers.resize_images import resize_images
from mmcvgssl.models.layers.sspcab import SSPCAB

__all__ = [
    'SSPCAB',
    'collect_losses',
    'global_pool',
    'insert_sspcab',
    'resize_images',
]
