"""Images: reading, data sets, layouts, transforms, preparation, checks.

The one reader of images for all stages is in ``reading``. Stands on
``provenance``.
"""

from mmcvgssl.datasets import transforms
from mmcvgssl.datasets.epoch_sampler import attach_epochs
from mmcvgssl.datasets.image_list import ImageList
from mmcvgssl.datasets.one_class_dataset import OneClassDataset
from mmcvgssl.datasets.reading import (
    TooManyUnreadableError,
)
from mmcvgssl.datasets.surface_images import SurfaceImages
from mmcvgssl.datasets.update_sampler import UpdateSampler
from mmcvgssl.datasets.view_seeds import ViewSeeds
from mmcvgssl.datasets.wrapped import inner_sets

__all__ = [
    'ImageList',
    'OneClassDataset',
    'SurfaceImages',
    'TooManyUnreadableError',
    'UpdateSampler',
    'ViewSeeds',
    'attach_epochs',
    'inner_sets',
    'transforms',
]
