"""Loss maths as plain functions of tensors."""

from mmcvgssl.models.losses.cvgssl_loss import (
    contrast,
    cvgssl_loss,
    self_constraint,
)
from mmcvgssl.models.losses.feature_regression_loss import (
    feature_regression_loss,
)

__all__ = [
    'contrast',
    'cvgssl_loss',
    'feature_regression_loss',
    'self_constraint',
]
