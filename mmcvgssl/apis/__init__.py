"""What people call from Python, and what the tools call.

Checking data, fitting, predicting, anomaly maps, boxes, few-shot and one-class
benchmarks, training, testing, export and choosing images to label. Stands on
``compat``, ``datasets``, ``engine``, ``evaluation``, ``export``, ``maps``,
``model_file``, ``models``, ``provenance``, ``runner``, ``selection``,
``visualization``, ``weights``. Names are imported when they are used:
predicting by an exported file needs neither torch nor a host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmcvgssl.lazy import lazy_names

if TYPE_CHECKING:
    from mmcvgssl.apis.boxes_from_maps import boxes_from_maps, boxes_text
    from mmcvgssl.apis.browse import Browsed, browse_dataset
    from mmcvgssl.apis.checking import DataCheck, check_data, check_text
    from mmcvgssl.apis.extract_features import extract_features
    from mmcvgssl.apis.features import FeatureExtractor, Features
    from mmcvgssl.apis.inference import (
        AnomalyInspector,
        AnomalyResult,
        ClassResult,
        DefectClassifier,
        DefectDetector,
        DetectionResult,
        FewShotClassifier,
        UnreadableInputsError,
    )
    from mmcvgssl.apis.load_backbone import load_backbone
    from mmcvgssl.apis.make_maps import make_maps, maps_text
    from mmcvgssl.apis.maps_to_boxes import MapsToBoxes
    from mmcvgssl.apis.one_class import run_one_class
    from mmcvgssl.apis.predict import Predictor, overlay
    from mmcvgssl.apis.prediction_folder import predict_to_folder
    from mmcvgssl.apis.recipes import get_config, list_models
    from mmcvgssl.apis.runs import run_test, run_training
    from mmcvgssl.apis.select import Selection, select_images
    from mmcvgssl.apis.self_training import (
        SelfTraining,
        self_train,
        self_training_text,
    )
    from mmcvgssl.maps import MapError, MapFolder
    from mmcvgssl.maps.box_options import BoxOptions
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
    'AnomalyInspector',
    'AnomalyResult',
    'BoxOptions',
    'Browsed',
    'ClassResult',
    'DataCheck',
    'DefectClassifier',
    'DefectDetector',
    'DetectionResult',
    'FeatureExtractor',
    'Features',
    'FewShotClassifier',
    'MapError',
    'MapFolder',
    'MapsToBoxes',
    'Predictor',
    'Selection',
    'SelfTraining',
    'UnreadableInputsError',
    'boxes_from_maps',
    'boxes_text',
    'browse_dataset',
    'build_runner',
    'check_before_training',
    'check_data',
    'check_text',
    'claim_work_dir',
    'default_work_dir',
    'extract_features',
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
    'self_train',
    'self_training_text',
    'use_amp',
]
lazy_names(
    __name__,
    {
        **dict.fromkeys(
            (
                *('AnomalyInspector', 'AnomalyResult', 'ClassResult'),
                *('DefectClassifier', 'DefectDetector', 'DetectionResult'),
                *('FewShotClassifier', 'UnreadableInputsError'),
            ),
            '.inference',
        ),
        'BoxOptions': 'mmcvgssl.maps.box_options',
        'Browsed': '.browse',
        'DataCheck': '.checking',
        'FeatureExtractor': '.features',
        'Features': '.features',
        'MapError': 'mmcvgssl.maps',
        'MapFolder': 'mmcvgssl.maps',
        'MapsToBoxes': '.maps_to_boxes',
        'Predictor': '.predict',
        'Selection': '.select',
        'SelfTraining': '.self_training',
        'boxes_from_maps': '.boxes_from_maps',
        'boxes_text': '.boxes_from_maps',
        'browse_dataset': '.browse',
        'build_runner': 'mmcvgssl.runner.build',
        'check_before_training': 'mmcvgssl.runner.build',
        'check_data': '.checking',
        'check_text': '.checking',
        'claim_work_dir': 'mmcvgssl.runner.work_dir',
        'default_work_dir': 'mmcvgssl.runner.build',
        'extract_features': '.extract_features',
        'find_mapped_images': 'mmcvgssl.maps.mapped_images',
        'get_config': '.recipes',
        'list_images': 'mmcvgssl.maps.images',
        'list_models': '.recipes',
        'load_backbone': '.load_backbone',
        'load_config': 'mmcvgssl.runner.config',
        'make_maps': '.make_maps',
        'maps_text': '.make_maps',
        'overlay': '.predict',
        'predict_to_folder': '.prediction_folder',
        'run_one_class': '.one_class',
        'run_test': '.runs',
        'run_training': '.runs',
        'select_images': '.select',
        'self_train': '.self_training',
        'self_training_text': '.self_training',
        'use_amp': 'mmcvgssl.runner.config',
    },
)
