"""Models of the package."""

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
    GaussianPatch,
    KeAD,
    MapEnsemble,
    MutualScoring,
    OneClassDetector,
    PatchMemory,
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
from mmcvgssl.models.pretrained_backbone import PretrainedBackbone
from mmcvgssl.models.selfsup import (
    CVGSSL,
    AnomalyDistillClassifier,
    AnomalyDistillSimMIM,
    CutPasteClassifier,
)
from mmcvgssl.models.teachers import HostTeacher, OpenCLIPTeacher, TimmTeacher

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
    'GaussianPatch',
    'HostTeacher',
    'InPlaceSelfSupDataPreprocessor',
    'KeAD',
    'MapEnsemble',
    'MutualScoring',
    'OneClassDetector',
    'OpenCLIPTeacher',
    'PatchMemory',
    'PretrainedBackbone',
    'ProbeClassifier',
    'TimmBackbone',
    'TimmTeacher',
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
