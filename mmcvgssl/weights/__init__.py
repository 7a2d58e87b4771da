"""Reading, naming, fitting and refusing weights; no file's code is run."""

from mmcvgssl.weights.errors import KeyMismatchError, WeightsError
from mmcvgssl.weights.files import backbone_state, read_checkpoint
from mmcvgssl.weights.fit import load_fitting
from mmcvgssl.weights.load import (
    KeyReport,
    compare,
    load_backbone,
    load_checked,
)
from mmcvgssl.weights.names import convert
from mmcvgssl.weights.targets import build_target

__all__ = [
    'KeyMismatchError',
    'KeyReport',
    'WeightsError',
    'backbone_state',
    'build_target',
    'compare',
    'convert',
    'load_backbone',
    'load_checked',
    'load_fitting',
    'read_checkpoint',
]
