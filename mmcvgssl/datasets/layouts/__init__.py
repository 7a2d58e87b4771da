"""Layouts of folders and lists: which images are good or defective."""

from mmcvgssl.datasets.layouts.class_folders import (
    FolderLayout,
    MaskBesideLayout,
)
from mmcvgssl.datasets.layouts.find import find_layout
from mmcvgssl.datasets.layouts.layout import (
    CLASSES,
    DEFECT,
    GOOD,
    Layout,
    Sample,
)
from mmcvgssl.datasets.layouts.lists import read_list
from mmcvgssl.datasets.layouts.mvtec import MvtecLayout

__all__ = [
    'CLASSES',
    'DEFECT',
    'GOOD',
    'FolderLayout',
    'Layout',
    'MaskBesideLayout',
    'MvtecLayout',
    'Sample',
    'find_layout',
    'read_list',
]
