"""Plain modules and functions shared by the models."""

from mmcvgssl.models.layers.global_pool import global_pool

__all__ = ['global_pool']
