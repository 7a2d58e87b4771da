"""Loss maths as plain functions of tensors."""

from mmcvgssl.models.losses.activation_distill_loss import (
    activation_distill_loss,
    map_distance,
    squared_activation,
)
from mmcvgssl.models.losses.cvgssl_loss import (
    contrast,
    cvgssl_loss,
    self_constraint,
)
from mmcvgssl.models.losses.feature_regression_loss import (
    feature_regression_loss,
)

__all__ = [
    'activation_distill_loss',
    'contrast',
    'cvgssl_loss',
    'feature_regression_loss',
    'map_distance',
    'self_constraint',
    'squared_activation',
]
