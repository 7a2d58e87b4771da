"""The folder in which the examples of docstrings run."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from mmcvgssl.apis import load_config
from mmcvgssl.apis.fit import fit_model
from mmcvgssl.maps.writer import MapWriter, join_manifests
from mmcvgssl.provenance import FileState
from tests.data import picture

SIDE = 32
TRAIN = """
work_dir = 'work_dirs/train'
launcher, default_scope, log_level = 'none', 'mmpretrain', 'ERROR'
model = dict(
    type='mmcvgssl.CutPasteClassifier',
    backbone=dict(type='mmpretrain.ResNet', depth=18),
    in_channels=512,
    mid_channels=[16],
)
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='mmengine.DefaultSampler', shuffle=True),
    dataset=dict(
        type='mmcvgssl.SurfaceImages',
        data_root='images',
        pipeline=[
            dict(type='mmcvgssl.LoadImage'),
            dict(type='mmcvgssl.CutPaste3Way'),
            dict(
                type='mmpretrain.PackInputs', algorithm_keys=('view_labels',)
            ),
        ],
    ),
)
data_preprocessor = dict(type='mmpretrain.SelfSupDataPreprocessor')
train_cfg = dict(by_epoch=True, max_epochs=1)
optim_wrapper = dict(optimizer=dict(type='mmengine.SGD', lr=0.01))
"""
ANOMALY = """
work_dir = 'work_dirs/anomaly'
launcher, default_scope, log_level = 'none', 'mmpretrain', 'ERROR'
pipeline = [
    dict(type='mmcvgssl.LoadImage'),
    dict(type='mmcvgssl.SquareResize', input_size=32),
    dict(type='mmpretrain.PackInputs', meta_keys=('img_path', 'ori_shape')),
]
model = dict(
    type='mmcvgssl.OneClassDetector',
    backbone=dict(type='mmpretrain.ResNet', depth=18, base_channels=8),
    false_alarm_rate=0.1,
    holdout=0,
)
model['backbone']['stem_channels'] = 8
fit_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type='mmengine.DefaultSampler', shuffle=False),
    dataset=dict(
        type='mmcvgssl.OneClassDataset', data_root='images', pipeline=pipeline
    ),
)
test_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type='mmengine.DefaultSampler', shuffle=False),
    dataset=dict(
        type='mmcvgssl.OneClassDataset',
        data_root='test_images',
        split='test',
        pipeline=pipeline,
    ),
)
test_cfg = dict()
custom_hooks = [dict(type='mmcvgssl.AnomalyFitHook')]
test_evaluator = dict(type='mmcvgssl.AnomalyMetric', pixel=False)
"""


def write_example_folder(folder: Path) -> None:
    """Write all that examples name.

    Args:
        folder: New; gets ``images/good``, ``test_images/good`` and ``crack``,
            the configs ``train.py`` and ``anomaly.py``, the folder ``maps``
            of the tested images, and ``model.safetensors``.
    """
    homes = {'images/good': 12, 'test_images/good': 2, 'test_images/crack': 2}
    for kind, (name, count) in enumerate(homes.items()):
        home = folder / name
        home.mkdir(parents=True)
        for i in range(count):
            seed = 100 * kind + 3 * i + kind // 2
            picture(seed, SIDE).save(home / f'{i}.png')
    (folder / 'train.py').write_text(TRAIN)
    (folder / 'anomaly.py').write_text(ANOMALY)
    _write_maps(folder / 'test_images', folder / 'maps')
    _write_model(folder)


def _write_maps(images: Path, out: Path) -> None:
    """Write maps whose one corner stands out where there is a crack."""
    with MapWriter(out) as writer:
        for file in sorted(images.rglob('*.png')):
            values = np.full((8, 8), 0.1, np.float32)
            if file.parent.name == 'crack':
                values[:4, :4] = 0.9
            path, state = file.relative_to(images), FileState.of(file)
            score = float(values.max())
            writer.write(path.as_posix(), values, (SIDE, SIDE), score, state)
    join_manifests(out)


def _write_model(folder: Path) -> None:
    cfg = load_config(folder / 'anomaly.py')
    cfg.work_dir = str(folder / 'work_dirs')
    fit_model(cfg, folder / 'model.safetensors', folder / 'images')
    shutil.rmtree(cfg.work_dir)
