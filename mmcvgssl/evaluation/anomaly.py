"""Metrics of anomaly detection: curves, a streaming metric, thresholds."""

from mmcvgssl.evaluation.anomaly_curves import aupro, binary_metrics
from mmcvgssl.evaluation.anomaly_metric import AnomalyMetric
from mmcvgssl.evaluation.anomaly_table import anomaly_table
from mmcvgssl.evaluation.category_scores import CategoryScores
from mmcvgssl.evaluation.operating_point import (
    DetectionRate,
    OperatingPoint,
    detection_rate,
    operating_point,
)
from mmcvgssl.evaluation.score_histogram import ScoreHistogram

__all__ = [
    'AnomalyMetric',
    'CategoryScores',
    'DetectionRate',
    'OperatingPoint',
    'ScoreHistogram',
    'anomaly_table',
    'aupro',
    'binary_metrics',
    'detection_rate',
    'operating_point',
]
