"""Heads that turn features into losses."""

from mmcvgssl.models.heads.anomaly_distill_head import (
    AnomalyDistillHead,
    stack_maps,
)
from mmcvgssl.models.heads.attention_adapter_head import AttentionAdapterHead
from mmcvgssl.models.heads.cvgssl_head import CVGSSLHead
from mmcvgssl.models.heads.feature_regression_head import FeatureRegressionHead
from mmcvgssl.models.heads.simclr_head import SimCLRHead

__all__ = [
    'AnomalyDistillHead',
    'AttentionAdapterHead',
    'CVGSSLHead',
    'FeatureRegressionHead',
    'SimCLRHead',
    'stack_maps',
]
