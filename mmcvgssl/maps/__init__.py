"""Anomaly maps: where their values lie and what they mean."""

from mmcvgssl.maps.geometry import map_to_cells, resize_map
from mmcvgssl.maps.picture import lay_map

__all__ = ['lay_map', 'map_to_cells', 'resize_map']
