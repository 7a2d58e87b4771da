"""Anomaly maps: values and geometry, the folder of maps, boxes from maps.

What a value means, where it lies in the image, how maps are written, read and
loaded for training, and how boxes are cut from them. Stands on ``datasets``,
``provenance``.
"""

from mmcvgssl.maps.anomaly_map_dataset import AnomalyMapDataset
from mmcvgssl.maps.file import MapError, inside, read_map
from mmcvgssl.maps.geometry import map_to_cells, resize_map
from mmcvgssl.maps.joined_map import JoinedMap
from mmcvgssl.maps.likeness import Likeness
from mmcvgssl.maps.load_anomaly_map import LoadAnomalyMap, PackInputsWithMap
from mmcvgssl.maps.map_crop import MapCrop
from mmcvgssl.maps.map_folder import MapEntry, MapFolder
from mmcvgssl.maps.picture import lay_map
from mmcvgssl.maps.thresholds import (
    dataset_threshold,
    good_map_threshold,
    halfway,
    is_anomalous,
)

__all__ = [
    'AnomalyMapDataset',
    'JoinedMap',
    'Likeness',
    'LoadAnomalyMap',
    'MapCrop',
    'MapEntry',
    'MapError',
    'MapFolder',
    'PackInputsWithMap',
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
