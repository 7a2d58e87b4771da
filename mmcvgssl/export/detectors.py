"""Detectors as graphs: from bytes of images to raw boxes and scores."""

from __future__ import annotations

from typing import Any

from mmcvgssl.export.graph import Graph
from mmcvgssl.export.point_boxes import PointBoxes
from mmcvgssl.export.query_boxes import QueryBoxes
from mmcvgssl.export.region_boxes import RegionBoxes
from mmcvgssl.model_file import LoadedModel
from mmcvgssl.model_file.detector import THRESHOLD

SUPPORTED = (
    'YOLOv8 of mmyolo (YOLODetector with a YOLOv8Head), or of mmdet RTMDet '
    '(with an RTMDetHead or RTMDetSepBNHead), Faster R-CNN (FasterRCNN with '
    'RPNHead, StandardRoIHead and SingleRoIExtractor) or DINO (with a '
    'DINOHead)'
)
_GRAPHS = (PointBoxes, RegionBoxes, QueryBoxes)


def check_detector(loaded: LoadedModel) -> None:
    """Refuse a detector that is not exported.

    Raises:
        ValueError: Names it, and those that are.
    """
    _graph_of(loaded).rules(loaded.model, loaded.source)


def detector_graph(loaded: LoadedModel, size: tuple[int, int]) -> Graph:
    """Return the graph of a detector that :func:`check_detector` takes.

    Args:
        loaded: The model file.
        size: Height and width of the input, pixels.
    """
    model: Any = loaded.model
    kind = _graph_of(loaded)
    rules = kind.rules(model, loaded.source)
    nms = (
        'NMS is outside of the graph, by the rules in boxes'
        if rules.iou_threshold is not None
        else 'there is no NMS: the highest scores are taken, as boxes says'
    )
    return Graph(
        kind(model, size),
        dict(zip(('boxes', 'scores'), kind.says, strict=True)),
        'boxes of the input are scaled and moved to the image as the steps '
        f'say; {nms}',
        threshold=loaded.content.settings[THRESHOLD],
        boxes=rules.as_dict(),
    )


def _graph_of(loaded: LoadedModel) -> Any:
    """Return the class of the graph of a detector.

    Raises:
        ValueError: If there is none.
    """
    for kind in _GRAPHS:
        if kind.takes(loaded.model):
            return kind
    raise ValueError(
        f'{loaded.source} is a {type(loaded.model).__name__}, which is not '
        f'exported; of detectors, expected {SUPPORTED}'
    )
