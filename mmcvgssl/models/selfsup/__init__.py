"""Models that are pretrained without labels."""

from mmcvgssl.models.selfsup.anomaly_distill_classifier import (
    AnomalyDistillClassifier,
)
from mmcvgssl.models.selfsup.anomaly_distill_simmim import AnomalyDistillSimMIM
from mmcvgssl.models.selfsup.cutpaste_classifier import CutPasteClassifier
from mmcvgssl.models.selfsup.cvgssl import CVGSSL

__all__ = [
    'CVGSSL',
    'AnomalyDistillClassifier',
    'AnomalyDistillSimMIM',
    'CutPasteClassifier',
]
