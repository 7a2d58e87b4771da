"""The class of tests for each kind of model file."""

from __future__ import annotations

from collections.abc import Mapping

from mmcvgssl.apis.testing.anomaly_test import AnomalyTest
from mmcvgssl.apis.testing.box_test import BoxTest
from mmcvgssl.apis.testing.class_test import ClassTest
from mmcvgssl.apis.testing.kind import KindOfTest
from mmcvgssl.model_file import LoadedModel
from mmcvgssl.model_file.anomaly import KIND as ANOMALY
from mmcvgssl.model_file.classifier import KIND as CLASSIFIER
from mmcvgssl.model_file.detector import KIND as DETECTOR

_KINDS: Mapping[str, type[KindOfTest]] = {
    ANOMALY: AnomalyTest,
    CLASSIFIER: ClassTest,
    DETECTOR: BoxTest,
}


def kind_of_test(loaded: LoadedModel) -> KindOfTest:
    """Return what tests a model file.

    Args:
        loaded: A loaded model of the file.
    """
    return _KINDS[loaded.content.kind](loaded)
