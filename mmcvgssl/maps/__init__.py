"""Anomaly maps: where their values lie and what they mean."""

from mmcvgssl.maps.file import MapError, inside, read_map
from mmcvgssl.maps.geometry import map_to_cells, resize_map
from mmcvgssl.maps.likeness import Likeness
from mmcvgssl.maps.map_folder import MapEntry, MapFolder
from mmcvgssl.maps.picture import lay_map
from mmcvgssl.maps.thresholds import (
    dataset_threshold,
    good_map_threshold,
    halfway,
    is_anomalous,
)

__all__ = [
    'Likeness',
    'MapEntry',
    'MapError',
    'MapFolder',
    'dataset_threshold',
    'good_map_threshold',
    'halfway',
    'inside',
    'is_anomalous',
    'lay_map',
    'map_to_cells',
    'read_map',
    'resize_map',
]
