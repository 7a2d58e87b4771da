"""Metrics and evaluation protocols.

Anomaly maps and scores, the few-shot protocol, thresholds and false alarms,
recall of boxes. Stands on ``datasets``, ``maps``, ``provenance``.
"""

from mmcvgssl.evaluation import few_shot
from mmcvgssl.evaluation.anomaly import (
    AnomalyMetric,
    CategoryScores,
    DetectionRate,
    OperatingPoint,
    ScoreHistogram,
    anomaly_table,
    aupro,
    binary_metrics,
    detection_rate,
    operating_point,
)
from mmcvgssl.evaluation.box_recall import BoxRecall, match_boxes
from mmcvgssl.evaluation.classwise_metric import ClasswiseMetric
from mmcvgssl.evaluation.contrastive_accuracy import ContrastiveAccuracy
from mmcvgssl.evaluation.false_alarms import FalseAlarms, false_alarms

__all__ = [
    'AnomalyMetric',
    'BoxRecall',
    'CategoryScores',
    'ClasswiseMetric',
    'ContrastiveAccuracy',
    'DetectionRate',
    'FalseAlarms',
    'OperatingPoint',
    'ScoreHistogram',
    'anomaly_table',
    'aupro',
    'binary_metrics',
    'detection_rate',
    'false_alarms',
    'few_shot',
    'match_boxes',
    'operating_point',
]
