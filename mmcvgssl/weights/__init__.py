"""Weights of checkpoints and packages: read, renamed, compared, refused.

No file's code is run. Stands on ``compat``.
"""

from mmcvgssl.weights.errors import KeyMismatchError, WeightsError
from mmcvgssl.weights.files import (
    backbone_state,
    plain_state,
    read_checkpoint,
)
from mmcvgssl.weights.load import (
    BACKBONE,
    EXACT,
    FITTING,
    KeyReport,
    Policy,
    compare,
    load,
)
from mmcvgssl.weights.names import convert
from mmcvgssl.weights.targets import build_target
from mmcvgssl.weights.values import check_values

__all__ = [
    'BACKBONE',
    'EXACT',
    'FITTING',
    'KeyMismatchError',
    'KeyReport',
    'Policy',
    'WeightsError',
    'backbone_state',
    'build_target',
    'check_values',
    'compare',
    'convert',
    'load',
    'plain_state',
    'read_checkpoint',
]
