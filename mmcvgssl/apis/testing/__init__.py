"""Tests of model files: which images, read how, and measured by what."""

from mmcvgssl.apis.testing.kept_predictions import KeptPredictions
from mmcvgssl.apis.testing.kind import KindOfTest
from mmcvgssl.apis.testing.kinds import kind_of_test
from mmcvgssl.apis.testing.tested_model import TestedConfig, TestedFile

__all__ = [
    'KeptPredictions',
    'KindOfTest',
    'TestedConfig',
    'TestedFile',
    'kind_of_test',
]
