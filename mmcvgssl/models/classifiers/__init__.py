"""Classifiers of images."""

from mmcvgssl.models.classifiers.embedder import Embedder
from mmcvgssl.models.classifiers.probe_classifier import ProbeClassifier

__all__ = ['Embedder', 'ProbeClassifier']
