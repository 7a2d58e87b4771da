"""Functions for people who write Python."""

from mmcvgssl.apis.config import load_config, use_amp
from mmcvgssl.apis.train import (
    build_runner,
    check_before_training,
    default_work_dir,
)

__all__ = [
    'build_runner',
    'check_before_training',
    'default_work_dir',
    'load_config',
    'use_amp',
]
