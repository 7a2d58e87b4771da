"""Transforms of images, masks and maps."""

from mmcvgssl.datasets.reading import (
    UnreadableImageError,
    read_image,
    read_mask,
)
from mmcvgssl.datasets.transforms.cached import Cached
from mmcvgssl.datasets.transforms.cutpaste import (
    CutPaste,
    CutPaste3Way,
    CutPasteScar,
    CutPasteUnion,
)
from mmcvgssl.datasets.transforms.draw_views import DrawViews
from mmcvgssl.datasets.transforms.fast_color_jitter import FastColorJitter
from mmcvgssl.datasets.transforms.fast_pack_inputs import FastPackInputs
from mmcvgssl.datasets.transforms.joint_geometry import JointGeometry
from mmcvgssl.datasets.transforms.load_image import LoadImage
from mmcvgssl.datasets.transforms.load_mask import LoadMask
from mmcvgssl.datasets.transforms.multi_crop import MultiCrop
from mmcvgssl.datasets.transforms.random_tile import RandomTile
from mmcvgssl.datasets.transforms.square_resize import SquareResize
from mmcvgssl.datasets.transforms.tiled_steps import TiledSteps

__all__ = [
    'Cached',
    'CutPaste',
    'CutPaste3Way',
    'CutPasteScar',
    'CutPasteUnion',
    'DrawViews',
    'FastColorJitter',
    'FastPackInputs',
    'JointGeometry',
    'LoadImage',
    'LoadMask',
    'MultiCrop',
    'RandomTile',
    'SquareResize',
    'TiledSteps',
    'UnreadableImageError',
    'read_image',
    'read_mask',
]
