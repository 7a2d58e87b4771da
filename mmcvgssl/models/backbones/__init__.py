"""Backbones with weights from where the hosts do not look."""

from mmcvgssl.models.backbones.timm_backbone import TimmBackbone

__all__ = ['TimmBackbone']
