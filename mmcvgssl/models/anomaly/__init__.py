"""Images to anomaly maps, without labels."""

from mmcvgssl.maps import resize_map
from mmcvgssl.maps.boxes import dataset_threshold, map_to_boxes
from mmcvgssl.models.anomaly.anomaly_model import AnomalyModel
from mmcvgssl.models.anomaly.calibration import Calibration
from mmcvgssl.models.anomaly.coreset import greedy_coreset
from mmcvgssl.models.anomaly.fitted_state import FittedStateError
from mmcvgssl.models.anomaly.kead import KeAD
from mmcvgssl.models.anomaly.mahalanobis_ad import MahalanobisAD
from mmcvgssl.models.anomaly.map_ensemble import MapEnsemble
from mmcvgssl.models.anomaly.musc import MuSc
from mmcvgssl.models.anomaly.one_class_detector import OneClassDetector
from mmcvgssl.models.anomaly.padim import PaDiM
from mmcvgssl.models.anomaly.patch_features import PatchFeatures
from mmcvgssl.models.anomaly.patchcore import PatchCore
from mmcvgssl.models.anomaly.prompts import (
    Knowledge,
    KnowledgeError,
    Prompts,
    build_prompts,
    load_knowledge,
    shipped_knowledge,
)
from mmcvgssl.models.anomaly.updatable import Updatable
from mmcvgssl.models.anomaly.vv_attention import VVAttention

__all__ = [
    'AnomalyModel',
    'Calibration',
    'FittedStateError',
    'KeAD',
    'Knowledge',
    'KnowledgeError',
    'MahalanobisAD',
    'MapEnsemble',
    'MuSc',
    'OneClassDetector',
    'PaDiM',
    'PatchCore',
    'PatchFeatures',
    'Prompts',
    'Updatable',
    'VVAttention',
    'build_prompts',
    'dataset_threshold',
    'greedy_coreset',
    'load_knowledge',
    'map_to_boxes',
    'resize_map',
    'shipped_knowledge',
]
