"""Images: reading, data sets, layouts, transforms, preparation, checks.

The one reader of images for all stages is in ``reading``, which needs neither
torch nor a host; so names of this package are imported when they are used.
Stands on ``compat``, ``provenance``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmcvgssl.lazy import lazy_names

if TYPE_CHECKING:
    from mmcvgssl.datasets import transforms
    from mmcvgssl.datasets.epoch_sampler import attach_epochs
    from mmcvgssl.datasets.image_list import ImageList
    from mmcvgssl.datasets.one_class_dataset import OneClassDataset
    from mmcvgssl.datasets.reading import TooManyUnreadableError
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
lazy_names(
    __name__,
    {
        'ImageList': '.image_list',
        'OneClassDataset': '.one_class_dataset',
        'SurfaceImages': '.surface_images',
        'TooManyUnreadableError': '.reading',
        'UpdateSampler': '.update_sampler',
        'ViewSeeds': '.view_seeds',
        'attach_epochs': '.epoch_sampler',
        'inner_sets': '.wrapped',
        'transforms': '.transforms',
    },
)
