"""Models of the package."""

from mmcvgssl.models import heads, layers, losses, selfsup, teachers
from mmcvgssl.models.heads import CVGSSLHead, FeatureRegressionHead
from mmcvgssl.models.selfsup import CVGSSL
from mmcvgssl.models.teachers import HostTeacher, OpenCLIPTeacher, TimmTeacher

__all__ = [
    'CVGSSL',
    'CVGSSLHead',
    'FeatureRegressionHead',
    'HostTeacher',
    'OpenCLIPTeacher',
    'TimmTeacher',
    'heads',
    'layers',
    'losses',
    'selfsup',
    'teachers',
]
