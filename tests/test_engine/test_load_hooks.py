"""Handing weights from run to run."""

from types import SimpleNamespace

import mmdet.models  # noqa: F401  (registers backbones)
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.runner import BaseLoop
from torch import nn

from mmcvgssl.engine.fit_checkpoint_hook import FitCheckpointHook
from mmcvgssl.engine.load_backbone_hook import (
    LoadBackboneHook,
    check_backbone_checkpoint,
)
from mmcvgssl.registry import MODELS
from mmcvgssl.weights import KeyMismatchError
from tests.data import TinyNet


class Detector(nn.Module):
    """A backbone and a head of some classes."""

    def __init__(self, classes: int = 3, width: int = 6) -> None:
        super().__init__()
        self.backbone = TinyNet(width)
        self.head = nn.Linear(width, classes)


class Loop(BaseLoop):
    """Stands for a training loop that has been built."""

    def __init__(self) -> None:
        pass

    def run(self) -> None:
        """Do nothing."""


def run_of(
    model, resume=False, load_from=None, training=True, loaded=None, **cfg
):
    return SimpleNamespace(
        model=model,
        cfg=Config(cfg),
        logger=MMLogger.get_current_instance(),
        _resume=resume,
        _has_loaded=resume if loaded is None else loaded,
        _load_from=load_from,
        _train_loop=Loop() if training else {},
    )


def equal(a, b) -> bool:
    theirs = b.state_dict()
    return all(torch.equal(v, theirs[k]) for k, v in a.state_dict().items())


@pytest.fixture
def saved(tmp_path):
    """A checkpoint of a detector of one class, and the detector."""
    torch.manual_seed(1)
    model = Detector(1)
    path = tmp_path / 'epoch_1.pth'
    torch.save({'state_dict': model.state_dict(), 'meta': {}}, path)
    return str(path), model


def test_the_backbone_is_loaded_and_nothing_else(saved):
    path, trained = saved
    model = Detector(1)
    head = model.head.weight.detach().clone()
    run = run_of(model, backbone_checkpoint=path)
    LoadBackboneHook().before_train(run)
    assert equal(model.backbone, trained.backbone)
    assert torch.equal(model.head.weight, head)


@pytest.mark.parametrize('host', ['mmpretrain', 'mmdet'])
def test_a_backbone_can_be_its_own_init_cfg(host, tmp_path):
    torch.manual_seed(0)
    cfg = dict(type=f'{host}.ResNet', depth=18, base_channels=4)
    trained = MODELS.build({**cfg, 'stem_channels': 4})
    for weights in trained.parameters():  # no start of a ResNet's own
        nn.init.normal_(weights)
    path = str(tmp_path / 'r18.pth')
    torch.save(
        {
            'state_dict': {
                'backbone.' + k: v for k, v in trained.state_dict().items()
            },
            'meta': {},
        },
        path,
    )
    init = dict(type='mmcvgssl.PretrainedBackbone', checkpoint=path)
    model = MODELS.build({**cfg, 'stem_channels': 4, 'init_cfg': init})
    model.init_weights()
    assert equal(trained, model)
    wider = MODELS.build({**cfg, 'stem_channels': 8, 'init_cfg': init})
    with pytest.raises(KeyMismatchError, match='at least 95%'):
        wider.init_weights()


@pytest.mark.parametrize('cfg', [{}, {'backbone_checkpoint': ''}])
def test_nothing_is_loaded_without_a_checkpoint(cfg, saved):
    model = Detector()
    LoadBackboneHook().before_train(run_of(model, **cfg))
    assert not equal(model.backbone, saved[1].backbone)


@pytest.mark.parametrize(
    ('given', 'load_from', 'said'),
    [
        ({}, None, 'Module starts from random weights'),
        ({}, 'whole.pth', "starts from load_from='whole.pth'"),
        (
            {'init_cfg': [{'type': 'Pretrained', 'checkpoint': 'x.pth'}]},
            None,
            "starts from model.backbone.init_cfg={'type': 'Pretrained'",
        ),
        (
            {'weights': 'package:lite'},
            None,
            "starts from model.backbone.weights='package:lite'",
        ),
    ],
)
def test_what_a_backbone_starts_from_is_logged(
    given, load_from, said, monkeypatch
):
    logged = []
    monkeypatch.setattr(
        'mmcvgssl.engine.load_backbone_hook.print_log',
        lambda text, logger: logged.append(text),
    )
    model = Detector()
    model.backbone = nn.Module()
    for key, value in given.items():
        setattr(model.backbone, key, value)
    LoadBackboneHook().before_train(run_of(model, load_from=load_from))
    assert len(logged) == 1
    assert logged[0].startswith('No backbone_checkpoint')
    assert said in logged[0]


def test_a_resumed_run_keeps_its_weights(saved):
    path, trained = saved
    model = Detector()
    LoadBackboneHook(path).before_train(run_of(model, resume=True))
    assert not equal(model.backbone, trained.backbone)


def test_a_run_that_found_nothing_to_resume_starts_with_the_backbone(saved):
    path, trained = saved
    model = Detector()
    run = run_of(model, resume=True, loaded=False)
    LoadBackboneHook(path).before_train(run)
    assert equal(model.backbone, trained.backbone)


def test_two_sources_of_a_backbone_are_refused(saved):
    run = run_of(Detector(), load_from='whole.pth')
    with pytest.raises(ValueError, match='set one of them'):
        LoadBackboneHook(saved[0]).before_train(run)


def test_a_missing_file_and_another_width_stop(saved, tmp_path):
    hook = LoadBackboneHook(str(tmp_path / 'none.pth'))
    with pytest.raises(FileNotFoundError, match=r'none\.pth'):
        hook.before_train(run_of(Detector()))
    with pytest.raises(KeyMismatchError, match=r'conv1\.weight'):
        LoadBackboneHook(saved[0]).before_train(run_of(Detector(width=8)))


@pytest.mark.parametrize(
    ('frozen', 'load_from', 'init_cfg', 'stops'),
    [
        (-1, None, None, False),
        (2, None, None, True),
        (0, None, None, True),
        (2, 'whole.pth', None, False),
        (2, None, {'type': 'Pretrained', 'checkpoint': 'x.pth'}, False),
        # what hosts' backbones have by themselves
        (2, None, [{'type': 'Kaiming', 'layer': 'Conv2d'}], True),
        (2, None, {'type': 'TruncNormal', 'layer': 'Linear'}, True),
    ],
)
def test_random_weights_are_not_frozen(frozen, load_from, init_cfg, stops):
    model = Detector()
    model.backbone.frozen_stages = frozen
    model.backbone.init_cfg = init_cfg
    run = run_of(model, load_from=load_from)
    if stops:
        with pytest.raises(ValueError, match='backbone_checkpoint'):
            LoadBackboneHook().before_train(run)
    else:
        LoadBackboneHook().before_train(run)


@pytest.mark.parametrize(
    ('given', 'error'),
    [
        ({}, None),
        ({'model.backbone.frozen_stages': 2}, 'would freeze random weights'),
        (
            {'model.backbone.frozen_stages': 2, 'load_from': 'whole.pth'},
            None,
        ),
        ({'model.backbone.frozen_stages': 2, 'resume': True}, None),
        ({'backbone_checkpoint': 'gone.pth'}, r'no such file: gone\.pth'),
        ({'custom_hooks.0.checkpoint': 'gone.pth'}, r'no such file: gone'),
        (
            {
                'model.backbone.frozen_stages': 2,
                'model.backbone.weights': 'package:lite',
            },
            None,
        ),
        (
            {
                'custom_hooks.0.type': 'EMAHook',
                'model.backbone.frozen_stages': 2,
            },
            None,
        ),
    ],
)
def test_a_start_is_checked_before_anything_is_built(given, error):
    cfg = Config(
        {
            'model': {'backbone': {'type': 'mmdet.ResNet', 'depth': 18}},
            'custom_hooks': [{'type': 'mmcvgssl.LoadBackboneHook'}],
            'backbone_checkpoint': '',
        }
    )
    cfg.merge_from_dict(given)
    if error:
        with pytest.raises((OSError, ValueError), match=error):
            check_backbone_checkpoint(cfg)
    else:
        check_backbone_checkpoint(cfg)


@pytest.mark.parametrize('hook', [LoadBackboneHook, FitCheckpointHook])
@pytest.mark.parametrize('least', [-0.1, 1.1, float('nan')])
def test_a_share_lies_between_nought_and_one(hook, least):
    with pytest.raises(ValueError, match='share'):
        hook(least=least)


def test_a_head_of_other_classes_starts_anew(saved, caplog):
    path, trained = saved
    model = Detector(3)
    checkpoint = torch.load(path, weights_only=True)
    run = run_of(model, load_from=path)
    logged = []
    run.logger = SimpleNamespace(info=logged.append)
    FitCheckpointHook().after_load_checkpoint(run, checkpoint)
    left = set(trained.state_dict()) - set(checkpoint['state_dict'])
    assert left == {'head.weight', 'head.bias'}
    assert '2 start anew' in logged[0]
    assert 'head.weight (model (3, 6), weights (1, 6))' in logged[0]
    model.load_state_dict(checkpoint['state_dict'], strict=False)
    assert equal(model.backbone, trained.backbone)


def test_a_checkpoint_of_another_backbone_stops(saved):
    checkpoint = torch.load(saved[0], weights_only=True)
    run = run_of(Detector(1, width=8), load_from='narrow.pth')
    with pytest.raises(KeyMismatchError, match=r'narrow\.pth'):
        FitCheckpointHook().after_load_checkpoint(run, checkpoint)


@pytest.mark.parametrize('way', [{'resume': True}, {'training': False}])
def test_resuming_and_testing_take_checkpoints_as_they_are(way, saved):
    checkpoint = torch.load(saved[0], weights_only=True)
    FitCheckpointHook().after_load_checkpoint(
        run_of(Detector(3), **way), checkpoint
    )
    assert 'head.weight' in checkpoint['state_dict']
