"""Data sets and transforms."""

from mmcvgssl.datasets import transforms
from mmcvgssl.datasets.anomaly_map_dataset import AnomalyMapDataset
from mmcvgssl.datasets.image_list import ImageList
from mmcvgssl.datasets.one_class import OneClassDataset
from mmcvgssl.datasets.surface_images import (
    SurfaceImages,
    TooManyUnreadableError,
)
from mmcvgssl.datasets.update_sampler import UpdateSampler

__all__ = [
    'AnomalyMapDataset',
    'ImageList',
    'OneClassDataset',
    'SurfaceImages',
    'TooManyUnreadableError',
    'UpdateSampler',
    'transforms',
]
