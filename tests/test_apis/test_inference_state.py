"""Inferencers leave the process as they find it."""

import logging
import os
import random
import signal
import sys
import warnings

import cv2
import matplotlib as mpl
import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub, MMLogger
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmengine.visualization import Visualizer

from mmcvgssl.apis import AnomalyInspector, DefectClassifier, DefectDetector
from tests.data import picture
from tests.test_apis.test_inference import files  # noqa: F401

CLASSES = {
    'anomaly': AnomalyInspector,
    'classifier': DefectClassifier,
    'detector': DefectDetector,
}


class Theirs(BaseModel):
    """The model of somebody's run."""

    def forward(self, inputs=None, data_samples=None, mode='tensor'):
        return []


def state() -> dict:
    """Return what others in the process see."""
    scope = DefaultScope.get_current_instance()
    return {
        'scope': scope and scope.scope_name,
        'scopes': list(DefaultScope._instance_dict),
        'python': random.getstate(),
        'numpy': str(np.random.get_state()),
        'torch': torch.get_rng_state().tolist(),
        'threads': torch.get_num_threads(),
        'opencv threads': cv2.getNumThreads(),
        'grad': torch.is_grad_enabled(),
        'inference': torch.is_inference_mode_enabled(),
        'dtype': torch.get_default_dtype(),
        'deterministic': torch.are_deterministic_algorithms_enabled(),
        'cudnn': (
            torch.backends.cudnn.benchmark,
            torch.backends.cudnn.deterministic,
            torch.backends.cudnn.allow_tf32,
        ),
        'precision': torch.get_float32_matmul_precision(),
        'root logger': (logging.root.level, list(logging.root.handlers)),
        'disabled': logging.root.manager.disable,
        'loggers': list(MMLogger._instance_dict),
        'hubs': list(MessageHub._instance_dict),
        'visualizers': list(Visualizer._instance_dict),
        # as they are stored: asking for the backend would choose one
        'plots': [
            dict.__getitem__(mpl.rcParams, key)
            for key in dict.keys(mpl.rcParams)
        ],
        'folder': os.getcwd(),
        'environment': dict(os.environ),
        'warnings': list(warnings.filters),
        'errors': np.geterr(),
        'path': list(sys.path),
        'hooks': (sys.excepthook, sys.displayhook),
        'interrupt': signal.getsignal(signal.SIGINT),
    }


def differences(before: dict, after: dict) -> list[str]:
    return [key for key in before if before[key] != after[key]]


@pytest.fixture(params=['nothing', 'a scope', 'a run'])
def around(request, tmp_path):
    """Have something of mmengine's going on."""
    known = dict(DefaultScope._instance_dict)
    if request.param == 'a scope':
        DefaultScope.get_instance('theirs', scope_name='mmdet')
    elif request.param == 'a run':
        Runner(
            Theirs(),
            work_dir=str(tmp_path / 'run'),
            default_scope='mmdet',
            experiment_name=f'theirs_{tmp_path.name}',
            log_level='ERROR',
        )
    yield request.param
    DefaultScope._instance_dict.clear()
    DefaultScope._instance_dict.update(known)


@pytest.mark.parametrize('kind', CLASSES)
def test_nothing_is_changed(files, kind, around):  # noqa: F811
    MMLogger.get_current_instance()  # mmengine makes one when it is asked
    images = [np.asarray(picture(i, 40)) for i in range(3)]
    random.seed(1)
    with torch.enable_grad():
        before = state()
        inferencer = CLASSES[kind](files[kind], show_progress=False)
        assert differences(before, state()) == []
        results = inferencer(images)
        results[0].draw()
        assert differences(before, state()) == []
        stream = inferencer(iter(images))
        next(stream)
        assert differences(before, state()) == []
        inferencer([picture(0, 40)] * 2, workers=1)
        del stream
        assert differences(before, state()) == []
        assert all(p.grad is None for p in inferencer.model.parameters())


def test_the_scope_of_others_changes_no_result(files, around):  # noqa: F811
    images = [np.asarray(picture(i, 40)) for i in range(2)]
    found = AnomalyInspector(files['anomaly'])(images, show_progress=False)
    DefaultScope._instance_dict.clear()
    alone = AnomalyInspector(files['anomaly'])(images, show_progress=False)
    assert [r.score for r in found] == [r.score for r in alone]
