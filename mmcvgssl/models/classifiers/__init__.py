"""Classifiers of images."""

from mmcvgssl.models.classifiers.embedder import Embedder
from mmcvgssl.models.classifiers.probe_classifier import ProbeClassifier
from mmcvgssl.models.classifiers.standardized import Standardized

__all__ = ['Embedder', 'ProbeClassifier', 'Standardized']
