"""What people call from Python, and what the tools call.

Fitting, predicting, anomaly maps, boxes, few-shot and one-class benchmarks,
training, testing, export and choosing images to label. Stands on ``compat``,
``datasets``, ``engine``, ``evaluation``, ``export``, ``maps``, ``model_file``,
``models``, ``provenance``, ``runner``, ``selection``, ``visualization``,
``weights``.
"""

from mmcvgssl.apis.boxes_from_maps import boxes_from_maps, boxes_text
from mmcvgssl.apis.features import FeatureExtractor, Features
from mmcvgssl.apis.load_backbone import load_backbone
from mmcvgssl.apis.make_maps import make_maps, maps_text
from mmcvgssl.apis.maps_to_boxes import BoxOptions, MapsToBoxes
from mmcvgssl.apis.one_class import run_one_class
from mmcvgssl.apis.predict import Predictor, overlay
from mmcvgssl.apis.prediction_folder import predict_to_folder
from mmcvgssl.apis.recipes import get_config, list_models
from mmcvgssl.apis.runs import run_test, run_training
from mmcvgssl.apis.select import Selection, select_images
from mmcvgssl.maps import MapError, MapFolder
from mmcvgssl.maps.images import list_images
from mmcvgssl.maps.mapped_images import find_mapped_images
from mmcvgssl.runner.build import (
    build_runner,
    check_before_training,
    default_work_dir,
)
from mmcvgssl.runner.config import load_config, use_amp
from mmcvgssl.runner.work_dir import claim_work_dir

__all__ = [
    'BoxOptions',
    'FeatureExtractor',
    'Features',
    'MapError',
    'MapFolder',
    'MapsToBoxes',
    'Predictor',
    'Selection',
    'boxes_from_maps',
    'boxes_text',
    'build_runner',
    'check_before_training',
    'claim_work_dir',
    'default_work_dir',
    'find_mapped_images',
    'get_config',
    'list_images',
    'list_models',
    'load_backbone',
    'load_config',
    'make_maps',
    'maps_text',
    'overlay',
    'predict_to_folder',
    'run_one_class',
    'run_test',
    'run_training',
    'select_images',
    'use_amp',
]
