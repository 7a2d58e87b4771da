"""What is pretrained without labels."""

from mmcvgssl.models.selfsup.cvgssl import CVGSSL

__all__ = ['CVGSSL']
