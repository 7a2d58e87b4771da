"""Backbones that the hosts do not have, or with what they lack."""

from mmcvgssl.models.backbones.timm_backbone import TimmBackbone
from mmcvgssl.models.backbones.with_sspcab import WithSSPCAB

__all__ = ['TimmBackbone', 'WithSSPCAB']
