"""Frozen image encoders that own their normalisation."""

from mmcvgssl.models.teachers.frozen_teacher import FrozenTeacher
from mmcvgssl.models.teachers.host_teacher import HostTeacher
from mmcvgssl.models.teachers.open_clip_teacher import OpenCLIPTeacher
from mmcvgssl.models.teachers.timm_teacher import TimmTeacher

__all__ = [
    'FrozenTeacher',
    'HostTeacher',
    'OpenCLIPTeacher',
    'TimmTeacher',
]
