"""Reading image files: one reader for all stages."""

from mmcvgssl.datasets.reading.formats import SUFFIXES

__all__ = ['SUFFIXES']
