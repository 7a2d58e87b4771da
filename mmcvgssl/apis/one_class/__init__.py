"""One-class benchmarks: train, fit and test, category by category."""

from mmcvgssl.apis.one_class.run import run_one_class

__all__ = ['run_one_class']
