"""Anomaly maps: values and geometry, the folder of maps, boxes from maps.

What a value means, where it lies in the image, how maps are written, read and
loaded for training, and how boxes are cut from them. Pictures, files and
joined maps need neither torch nor a host; so names of this package are
imported when they are used. Stands on ``datasets``, ``provenance``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmcvgssl.lazy import lazy_names

if TYPE_CHECKING:
    from mmcvgssl.maps.anomaly_map_dataset import AnomalyMapDataset
    from mmcvgssl.maps.file import MapError, inside, read_map
    from mmcvgssl.maps.geometry import map_to_cells, resize_map
    from mmcvgssl.maps.joined_map import JoinedMap
    from mmcvgssl.maps.likeness import Likeness
    from mmcvgssl.maps.load_anomaly_map import (
        LoadAnomalyMap,
        PackInputsWithMap,
    )
    from mmcvgssl.maps.map_crop import MapCrop
    from mmcvgssl.maps.map_folder import MapEntry, MapFolder
    from mmcvgssl.maps.mapped_view import DrawMappedView, MappedView
    from mmcvgssl.maps.picture import lay_map
    from mmcvgssl.maps.thresholds import (
        dataset_threshold,
        good_map_threshold,
        halfway,
        is_anomalous,
    )

__all__ = [
    'AnomalyMapDataset',
    'DrawMappedView',
    'JoinedMap',
    'Likeness',
    'LoadAnomalyMap',
    'MapCrop',
    'MapEntry',
    'MapError',
    'MapFolder',
    'MappedView',
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
lazy_names(
    __name__,
    {
        'AnomalyMapDataset': '.anomaly_map_dataset',
        'DrawMappedView': '.mapped_view',
        'MappedView': '.mapped_view',
        'JoinedMap': '.joined_map',
        'Likeness': '.likeness',
        'LoadAnomalyMap': '.load_anomaly_map',
        'MapCrop': '.map_crop',
        'MapEntry': '.map_folder',
        'MapError': '.file',
        'MapFolder': '.map_folder',
        'PackInputsWithMap': '.load_anomaly_map',
        'dataset_threshold': '.thresholds',
        'good_map_threshold': '.thresholds',
        'halfway': '.thresholds',
        'inside': '.file',
        'is_anomalous': '.thresholds',
        'lay_map': '.picture',
        'map_to_cells': '.geometry',
        'read_map': '.file',
        'resize_map': '.geometry',
    },
)
