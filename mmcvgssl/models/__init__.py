"""Self-supervised methods, teachers, heads, losses and anomaly models.

Registered with mmengine; ``anomaly`` holds what makes anomaly maps. Stands on
``datasets``, ``evaluation``, ``maps``, ``provenance``, ``weights``.
"""

from mmcvgssl.models import (
    anomaly,
    backbones,
    classifiers,
    heads,
    layers,
    losses,
    selfsup,
    teachers,
)
from mmcvgssl.models.anomaly import (
    KeAD,
    MahalanobisAD,
    MapEnsemble,
    MuSc,
    OneClassDetector,
    PaDiM,
    PatchCore,
)
from mmcvgssl.models.backbones import TimmBackbone, WithSSPCAB
from mmcvgssl.models.classifiers import ProbeClassifier
from mmcvgssl.models.heads import (
    AnomalyDistillHead,
    AttentionAdapterHead,
    CVGSSLHead,
    FeatureRegressionHead,
)
from mmcvgssl.models.in_place_selfsup_data_preprocessor import (
    InPlaceSelfSupDataPreprocessor,
)
from mmcvgssl.models.layers import SSPCAB
from mmcvgssl.models.mapped_view_preprocessor import MappedViewPreprocessor
from mmcvgssl.models.pretrained_backbone import PretrainedBackbone
from mmcvgssl.models.selfsup import (
    CVGSSL,
    AnomalyDistillClassifier,
    AnomalyDistillSimMIM,
    CutPasteClassifier,
)
from mmcvgssl.models.teachers import HostTeacher, OpenCLIPTeacher, TimmTeacher
from mmcvgssl.models.views_preprocessor import ViewsPreprocessor

__all__ = [
    'CVGSSL',
    'SSPCAB',
    'AnomalyDistillClassifier',
    'AnomalyDistillHead',
    'AnomalyDistillSimMIM',
    'AttentionAdapterHead',
    'CVGSSLHead',
    'CutPasteClassifier',
    'FeatureRegressionHead',
    'HostTeacher',
    'InPlaceSelfSupDataPreprocessor',
    'KeAD',
    'MahalanobisAD',
    'MapEnsemble',
    'MappedViewPreprocessor',
    'MuSc',
    'OneClassDetector',
    'OpenCLIPTeacher',
    'PaDiM',
    'PatchCore',
    'PretrainedBackbone',
    'ProbeClassifier',
    'TimmBackbone',
    'TimmTeacher',
    'ViewsPreprocessor',
    'WithSSPCAB',
    'anomaly',
    'backbones',
    'classifiers',
    'heads',
    'layers',
    'losses',
    'selfsup',
    'teachers',
]
