"""Inferencers: a model file, and what it says of images, from Python."""

from mmcvgssl.apis.inference.anomaly_inspector import AnomalyInspector
from mmcvgssl.apis.inference.defect_classifier import DefectClassifier
from mmcvgssl.apis.inference.defect_detector import DefectDetector
from mmcvgssl.apis.inference.few_shot_classifier import FewShotClassifier
from mmcvgssl.apis.inference.inferencer import Inferencer
from mmcvgssl.apis.inference.inputs import Image, Inputs, UnreadableInputsError
from mmcvgssl.apis.inference.results import (
    AnomalyResult,
    ClassResult,
    DetectionResult,
    Result,
)

__all__ = [
    'AnomalyInspector',
    'AnomalyResult',
    'ClassResult',
    'DefectClassifier',
    'DefectDetector',
    'DetectionResult',
    'FewShotClassifier',
    'Image',
    'Inferencer',
    'Inputs',
    'Result',
    'UnreadableInputsError',
]
