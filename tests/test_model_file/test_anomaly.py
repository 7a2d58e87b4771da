"""A model file gives what the model gave, for every anomaly model."""

from contextlib import contextmanager

import numpy as np
import open_clip
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmpretrain.structures import DataSample

from mmcvgssl.model_file import (
    ModelFile,
    load_model,
    prediction_steps,
)
from mmcvgssl.model_file.anomaly import to_file
from mmcvgssl.registry import MODELS

SIDE = 32
STEPS = prediction_steps(
    [
        dict(type='mmcvgssl.LoadImage', input_size=SIDE),
        dict(type='mmcvgssl.SquareResize', input_size=SIDE),
        dict(type='mmpretrain.PackInputs'),
    ]
)
BACKBONE = dict(
    type='mmpretrain.ResNet',
    depth=18,
    base_channels=4,
    stem_channels=4,
    out_indices=(0, 1),
)
CLIP = dict(
    embed_dim=16,
    vision_cfg=dict(
        image_size=32, layers=4, width=32, patch_size=8, head_width=16
    ),
    text_cfg=dict(
        context_length=77, vocab_size=49408, width=32, heads=2, layers=1
    ),
)


@pytest.fixture(scope='module', autouse=True)
def scope():
    """Find transforms of mmpretrain."""
    init_default_scope('mmpretrain')


@contextmanager
def small_weights(folder):
    """Write weights of a small ResNet and of a small CLIP, open_clip's."""
    torch.manual_seed(0)
    net = MODELS.build(BACKBONE)
    net.init_weights()
    torch.save(net.state_dict(), folder / 'resnet.pth')
    open_clip.factory._MODEL_CONFIGS['tiny'] = CLIP
    torch.save(open_clip.create_model('tiny').state_dict(), folder / 'clip.pt')
    yield folder
    del open_clip.factory._MODEL_CONFIGS['tiny']


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """Weights of a small ResNet and of a small CLIP."""
    with small_weights(tmp_path_factory.mktemp('weights')) as folder:
        yield folder


def teacher(files):
    return dict(
        type='mmcvgssl.HostTeacher',
        backbone=BACKBONE,
        checkpoint=str(files / 'resnet.pth'),
        input_size=SIDE,
        levels=(0, 1),
    )


def package(level=1):
    return dict(
        type='mmcvgssl.TimmTeacher',
        model_name='tf_efficientnet_lite0',
        weights='package:efficientnet-lite0',
        levels=(level,),
        input_size=SIDE,
    )


def config(name, files):
    """Return the config of a model by a short name."""
    memory = dict(type='mmcvgssl.PatchCore', coreset_size=20)
    kead = dict(
        type='mmcvgssl.KeAD',
        model_name='tiny',
        checkpoint=str(files / 'clip.pt'),
        cache_dir=str(files / 'texts'),
        knowledge={
            'bolt': dict(name='bolt', good=['a {}'], defects=['a bent {}'])
        },
    )
    return {
        'PatchCore': dict(
            memory, teacher=teacher(files), false_alarm_rate=0.25
        ),
        'PatchCore of a package': dict(memory, teacher=package()),
        'MahalanobisAD': dict(
            type='mmcvgssl.MahalanobisAD',
            teacher=teacher(files),
            calibration=dict(floor=0.4),
            image_score='sum',
        ),
        'MuSc': dict(
            type='mmcvgssl.MuSc', teacher=teacher(files), references=6
        ),
        'MapEnsemble': dict(
            type='mmcvgssl.MapEnsemble',
            false_alarm_rate=0.25,
            members=[
                dict(memory, teacher=teacher(files)),
                dict(memory, teacher=teacher(files), top=0.1),
                dict(memory, teacher=package()),
            ],
        ),
        'KeAD': kead,
        'KeAD with images': dict(kead, k=2),
        'KeAD in an ensemble': dict(
            type='mmcvgssl.MapEnsemble', members=[kead, dict(kead, k=2)]
        ),
        'OneClassDetector': dict(
            type='mmcvgssl.OneClassDetector',
            backbone=BACKBONE,
            checkpoint=str(files / 'resnet.pth'),
            false_alarm_rate=0.25,
        ),
        'OneClassDetector of a package': dict(
            type='mmcvgssl.OneClassDetector',
            false_alarm_rate=0.25,
            backbone=dict(
                type='mmcvgssl.TimmBackbone',
                model_name='tf_efficientnet_lite0',
                weights='package:efficientnet-lite0',
            ),
        ),
        'OneClassDetector of patches': dict(
            type='mmcvgssl.OneClassDetector',
            backbone=BACKBONE,
            checkpoint=str(files / 'resnet.pth'),
            false_alarm_rate=0.25,
            patch=dict(size=16, stride=8),
        ),
    }[name]


NAMES = [
    'PatchCore',
    'PatchCore of a package',
    'MahalanobisAD',
    'MuSc',
    'MapEnsemble',
    'KeAD',
    'KeAD with images',
    'KeAD in an ensemble',
    'OneClassDetector',
    'OneClassDetector of a package',
    'OneClassDetector of patches',
]


def batch(n=20, seed=0):
    random = np.random.RandomState(seed)
    return pseudo_collate(
        [
            dict(
                inputs=torch.from_numpy(
                    random.randint(0, 256, (3, SIDE, SIDE), np.uint8)
                ),
                data_samples=DataSample(
                    metainfo=dict(img_path=f'{seed}/{i}.png')
                ),
            )
            for i in range(n)
        ]
    )


def predicted(model):
    """Return maps, scores and thresholds of new images."""
    samples = model.test_step(batch(5, seed=1))
    return (
        torch.stack([s.anomaly_map for s in samples]),
        torch.stack([s.anomaly_score for s in samples]),
        [s.get('threshold') for s in samples],
    )


@pytest.fixture(scope='module')
def fitted(files):
    """Return a fitted model and its config, each made once."""
    known = {}

    def make(name):
        if name not in known:
            cfg = config(name, files)
            model = MODELS.build(cfg)
            model.fit([batch()])
            known[name] = model, cfg
        return known[name]

    return make


@pytest.mark.parametrize('whole', [False, True])
@pytest.mark.parametrize('name', NAMES)
def test_a_file_gives_what_the_model_gave(fitted, tmp_path, name, whole):
    model, cfg = fitted(name)
    path = tmp_path / 'model.safetensors'
    written = to_file(model, cfg, STEPS, 'bolt', whole)
    written.write(path)

    loaded = load_model(path)

    before, after = predicted(model), predicted(loaded.model)
    torch.testing.assert_close(after[0], before[0], rtol=0, atol=0)
    torch.testing.assert_close(after[1], before[1], rtol=0, atol=0)
    assert after[2] == before[2]
    assert loaded.model.chosen == model.chosen
    assert loaded.model.fingerprint() == model.fingerprint()
    assert loaded.content.category == 'bolt'
    # written again, it is the same file
    again = tmp_path / 'again.safetensors'
    to_file(loaded.model, loaded.content.model, STEPS, 'bolt', whole).write(
        again
    )
    first, second = ModelFile.read(path), ModelFile.read(again)
    assert second.settings == first.settings
    assert {*second.tensors} == {*first.tensors}
    assert [p.digest for p in second.weights] == [
        p.digest for p in first.weights
    ]
    sources = [part.source for part in written.weights]
    packaged = [s.startswith('package:') for s in sources]
    assert [p.stored for p in written.weights] == [
        whole or not p for p in packaged
    ]
