"""Metrics and evaluation protocols."""

from mmcvgssl.evaluation import few_shot

__all__ = ['few_shot']
