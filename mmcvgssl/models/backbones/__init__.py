"""Backbones beyond those of the hosts."""

from mmcvgssl.models.backbones.timm_backbone import TimmBackbone
from mmcvgssl.models.backbones.with_sspcab import WithSSPCAB

__all__ = ['TimmBackbone', 'WithSSPCAB']
