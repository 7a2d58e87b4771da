"""Finding the images of a data set, as the data sets do."""

from mmcvgssl.datasets.image_folders import (
    check_root,
    images_below,
    layout_error,
)

__all__ = ['check_root', 'images_below', 'layout_error']
