"""Tiny model files of classifiers and detectors."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from mmengine.registry import DefaultScope

from mmcvgssl.model_file import classifier, detector
from mmcvgssl.registry import MODELS
from tests.test_model_file.test_fuzz_kinds import (
    BOX_STEPS,
    CLASSIFIER,
    DETECTOR,
    STEPS,
)

NAMES = ['dent', 'pit']


def write_others(folder: Path) -> dict[str, Path]:
    """Write a classifier and a detector of random weights.

    Returns:
        The files by kind, named for it.
    """
    paths = {
        kind: folder / f'{kind}.safetensors'
        for kind in ('classifier', 'detector')
    }
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        config = dict(copy.deepcopy(CLASSIFIER), init_backbone=False)
        model = MODELS.build(config)
        made = classifier.to_file(model, CLASSIFIER, STEPS, NAMES)
        made.write(paths['classifier'])
        config = copy.deepcopy(DETECTOR)
        config['data_preprocessor']['std'] = [255.0] * 3
        net = detector.build(config, {'x': torch.ones(9999)}, 'ours')
        detector.to_file(net, config, BOX_STEPS, NAMES).write(
            paths['detector']
        )
    return paths
