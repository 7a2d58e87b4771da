"""Tests of model files: which images, read how, and measured by what."""

from mmcvgssl.apis.testing.kind import KindOfTest
from mmcvgssl.apis.testing.kinds import kind_of_test

__all__ = ['KindOfTest', 'kind_of_test']
