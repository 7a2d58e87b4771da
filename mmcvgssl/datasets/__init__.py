"""Images: reading, data sets, layouts, transforms, preparation, checks.

The one reader of images for all stages is in ``reading``, which needs neither
torch nor a host; so names of this package are imported when they are used.
Stands on ``provenance``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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
# modules of the names
_HOMES = {
    'ImageList': 'image_list',
    'OneClassDataset': 'one_class_dataset',
    'SurfaceImages': 'surface_images',
    'TooManyUnreadableError': 'reading',
    'UpdateSampler': 'update_sampler',
    'ViewSeeds': 'view_seeds',
    'attach_epochs': 'epoch_sampler',
    'inner_sets': 'wrapped',
}


def __getattr__(name: str) -> Any:
    """Import a name of this package when it is first used."""
    if name == 'transforms':
        return import_module(f'{__name__}.transforms')
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    found = getattr(import_module(f'{__name__}.{_HOMES[name]}'), name)
    globals()[name] = found
    return found
