"""Self-training: a detector learns from boxes that it has found itself.

Source: https://arxiv.org/abs/2005.04757, less its views for consistency.
"""

from mmcvgssl.apis.self_training.self_train import self_train
from mmcvgssl.apis.self_training.summary import (
    SelfTraining,
    self_training_text,
)

__all__ = ['SelfTraining', 'self_train', 'self_training_text']
