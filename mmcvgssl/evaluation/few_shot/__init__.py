"""The few-shot protocols."""

from mmcvgssl.datasets.draws import draw_seed, draw_shots
from mmcvgssl.evaluation.few_shot.learners import probe, train_classifier
from mmcvgssl.evaluation.few_shot.report import FewShotResults

__all__ = [
    'FewShotResults',
    'draw_seed',
    'draw_shots',
    'probe',
    'train_classifier',
]
