"""Heads that turn features into losses."""

from mmcvgssl.models.heads.cvgssl_head import CVGSSLHead
from mmcvgssl.models.heads.regression_head import FeatureRegressionHead

__all__ = ['CVGSSLHead', 'FeatureRegressionHead']
