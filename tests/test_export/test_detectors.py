"""Detectors that are not exported are named, with those that are."""

from types import SimpleNamespace

import pytest
from mmengine.config import ConfigDict

from mmcvgssl.export.graphs import check_supported

NMS = dict(type='nms', iou_threshold=0.7)


class FasterRCNN:
    """A detector without a dense head."""


class YOLOv8Head:
    """A head with rules."""

    def __init__(self, **rules) -> None:
        self.test_cfg = ConfigDict(rules)


def loaded(model, kind='detector'):
    content = SimpleNamespace(kind=kind, settings={'score_threshold': 0.3})
    return SimpleNamespace(model=model, content=content, source='a file')


def yolo(**rules):
    return SimpleNamespace(bbox_head=YOLOv8Head(**rules))


@pytest.mark.parametrize(
    ('model', 'error'),
    [
        (FasterRCNN(), r'a FasterRCNN, .*expected YOLOv8 of mmyolo'),
        (yolo(nms=dict(NMS, type='soft_nms')), r"type='soft_nms'.*test_cfg"),
        (yolo(nms=dict(NMS, min_score=0.1)), 'min_score=0.1'),
        (yolo(), 'type=None'),
        (yolo(nms=NMS, min_bbox_size=3), 'min_bbox_size'),
    ],
)
def test_a_detector_that_is_not_exported_is_named(model, error):
    with pytest.raises(ValueError, match=error):
        check_supported(loaded(model))


def test_a_detector_that_is_exported_is_taken():
    check_supported(loaded(yolo(nms=NMS, multi_label=True, max_per_img=300)))


def test_a_kind_that_is_not_exported_is_named():
    with pytest.raises(ValueError, match=r'kind depth.*anomaly, classifier'):
        check_supported(loaded(FasterRCNN(), 'depth'))
