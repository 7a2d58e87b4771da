"""What a file's config may name, and how large it may be."""

import copy

import pytest
import torch

from mmcvgssl.registry import MODELS
from mmcvgssl.weights import WeightsError
from mmcvgssl.weights.plain_values import check_plain
from mmcvgssl.weights.safe_build import build_backbone, build_transforms
from mmcvgssl.weights.safe_config import check_backbone

TINY = {'a': torch.zeros(1000)}
R18 = {'type': 'mmpretrain.ResNet', 'depth': 18}
VIT = {'embed_dims': 8, 'num_layers': 2, 'num_heads': 2}


def nested(depth: int) -> dict:
    found: dict = {}
    for _ in range(depth):
        found = {'x': found}
    return found


@pytest.mark.parametrize(
    'cfg',
    [
        {**R18, 'base_channels': 4, 'init_cfg': {'type': 'Kaiming'}},
        {
            **{**R18, 'base_channels': 4, 'num_stages': 3},
            **{'strides': (1, 2, 2), 'dilations': (1, 1, 1)},
            **{'out_indices': (2,), 'norm_cfg': {'type': 'BN', 'eps': 1e-3}},
            'init_cfg': {'type': 'Pretrained', 'checkpoint': '/x/y.pth'},
        },
        {
            **{'type': 'mmpretrain.VisionTransformer', 'img_size': 32},
            'arch': {**VIT, 'feedforward_channels': 16},
        },
        {'type': 'mmpretrain.TIMMBackbone', 'model_name': 'test_resnet'},
        {
            **{'type': 'mmcvgssl.TimmBackbone', 'model_name': 'test_resnet'},
            'weights': 'package:efficientnet-lite0',
        },
        {
            **{'type': 'mmcvgssl.WithSSPCAB', 'layers': 'layer4.1.conv2'},
            'backbone': {**R18, 'base_channels': 8},
        },
    ],
)
def test_what_is_trained_here_can_be_built_from_its_file(cfg):
    before = copy.deepcopy(cfg)
    own = MODELS.build(copy.deepcopy(cfg)).state_dict()
    made = build_backbone(cfg, own, 'run.pth').state_dict()
    assert {k: v.shape for k, v in made.items()} == {
        k: v.shape for k, v in own.items()
    }
    assert cfg == before


@pytest.mark.parametrize(
    ('change', 'place'),
    [
        ({'type': 'subprocess.check_call'}, 'backbone.type'),
        ({'type': 'mmpretrain.models.backbones.ResNet'}, 'backbone.type'),
        ({'type': 'mmpretrain.CLIP'}, 'backbone.type'),
        ({'type': 'mmpretrain.apis'}, 'backbone.type'),
        ({'type': 'mmpretrain.HuggingFaceClassifier'}, 'backbone.type'),
        ({'type': 'mmcvgssl.TimmTeacher'}, 'backbone.type'),
        ({'type': 'mmengine.BaseDataPreprocessor'}, 'backbone.type'),
        ({'type': 'antigravity'}, 'backbone.type'),
        ({'type': ['os.system']}, 'backbone.type'),
        ({'type': None}, 'backbone.type'),
        ({'_scope_': 'evil'}, '_scope_'),
        ({'_delete_': True}, '_delete_'),
        ({'norm_cfg': {'type': 'os.system'}}, r'backbone\.norm_cfg\.type'),
        (
            {'norm_cfg': {'type': 'mmpretrain.CLIPGenerator'}},
            r'backbone\.norm_cfg\.type',
        ),
        (
            {'plugins': [{'cfg': {'type': 'os.system'}}]},
            r'backbone\.plugins\[0\]\.cfg\.type',
        ),
        ({'init_cfg': {'type': 'os.system'}}, r'backbone\.init_cfg\.type'),
        (
            {'init_cfg': [{'override': {'type': 'builtins.eval'}}]},
            r'backbone\.init_cfg\[0\]\.override\.type',
        ),
        ({'tokenizer_path': '/etc/passwd'}, 'tokenizer_path'),
        ({'pretrained_cfg': {'url': 'http://x'}}, 'pretrained_cfg'),
        ({'norm_layer': 'os'}, 'norm_layer'),
        ({'norm_layer': 'os.system'}, 'norm_layer'),
        ({'depth': 10**12}, 'backbone.depth'),
        ({'depth': 10**400}, 'backbone.depth'),
        ({'depth': float('nan')}, 'a finite number in backbone.depth'),
        ({'depth': '18'}, 'cannot: '),
        ({'depth': True}, 'cannot: '),
        ({'x': 'y' * 200}, 'characters in backbone.x'),
        ({'x': nested(20)}, 'nesting'),
        ({'x': nested(3000)}, 'nesting'),
        ({'x': [0] * 5000}, 'values'),
        ({'x': {1, 2}}, 'backbone.x, got .set'),
        ({'base_channels': 4096}, 'far larger model'),
        ({'norm_cfg': 'BN'}, 'cannot: '),
        ({'no_such_option': 1}, 'cannot: '),
    ],
)
def test_what_no_file_may_say_is_refused(change, place):
    with pytest.raises(WeightsError, match=place) as caught:
        build_backbone({**R18, **change}, TINY, 'theirs.pth')
    text = str(caught.value)
    assert text.startswith('theirs.pth: expected ')
    assert '\n' not in text
    assert len(text) < 700


@pytest.mark.parametrize(
    'cfg',
    [
        {'type': 'mmpretrain.TIMMBackbone', 'model_name': 'hf-hub:a/b'},
        {'type': 'mmpretrain.TIMMBackbone', 'model_name': 'local-dir:x'},
        {'type': 'mmpretrain.TIMMBackbone', 'model_name': 'none_such'},
        {
            'type': 'mmpretrain.TIMMBackbone',
            'model_name': 'vit_giant_patch14_224',
        },
        {
            **{'type': 'mmpretrain.VisionTransformer', 'patch_size': 1},
            **{'arch': {**VIT, 'feedforward_channels': 16}},
            'img_size': 65000,
        },
        {
            'type': 'mmpretrain.VisionTransformer',
            'arch': {**VIT, 'feedforward_channels': 8, 'num_layers': 60000},
        },
        {
            **{'type': 'mmpretrain.SwinTransformer', 'window_size': 300},
            'arch': {'embed_dims': 8, 'depths': [2], 'num_heads': [1]},
        },
        *(None, [], 'mmpretrain.ResNet', 3),
    ],
)
def test_other_sources_and_sizes_are_refused(cfg):
    with pytest.raises(WeightsError):
        build_backbone(cfg, TINY, 'theirs.pth')


def test_origins_are_left_out_wherever_they_stand():
    inner = {**R18, 'pretrained': True, 'init_cfg': {'type': 'Normal'}}
    cfg = {'type': 'mmcvgssl.WithSSPCAB', 'backbone': inner, 'layers': 'a.b'}
    cfg['checkpoint'] = 'http://x/y'
    assert check_backbone(cfg, 'f') == {
        **{'type': 'mmcvgssl.WithSSPCAB', 'layers': 'a.b'},
        'backbone': R18,
    }


STEPS = [
    {'type': 'mmcvgssl.LoadImage', 'input_size': 32},
    {'type': 'mmcvgssl.SquareResize', 'input_size': 32},
    {'type': 'mmpretrain.PackInputs', 'meta_keys': ['img_path']},
]


def test_reading_and_resizing_may_be_listed():
    kinds = [type(step).__name__ for step in build_transforms(STEPS, 'f')]
    assert kinds == ['LoadImage', 'SquareResize', 'PackInputs']


@pytest.mark.parametrize(
    ('step', 'place'),
    [
        ({'type': 'subprocess.check_call'}, r'pipeline\[1\].type'),
        ({'type': 'mmpretrain.Albumentations'}, r'pipeline\[1\].type'),
        ({'type': 'mmcvgssl.Cached', 'transforms': []}, r'pipeline\[1\].type'),
        ({'type': 'Compose'}, r'pipeline\[1\].type'),
        ({'type': 'Resize', 'scale': 10**5}, 'scale'),
        ({'type': 'Resize', 'scale_factor': 1e9}, 'scale_factor'),
        ({'type': 'Resize', 'scale': 'large'}, 'cannot: '),
        ({'type': 'Resize', 'no_such': 3}, 'cannot: '),
        (
            {'type': 'CenterCrop', 'pad_cfg': {'type': 'os.system'}},
            r'pipeline\[1\].pad_cfg.type',
        ),
        (
            {'type': 'LoadImageFromFile', 'backend_args': {'backend': 's3'}},
            'backend_args',
        ),
        ({'type': 3}, r'pipeline\[1\].type'),
        ({}, r'pipeline\[1\].type'),
        ('Resize', 'transforms with a type'),
    ],
)
def test_no_other_transform_may_be_listed(step, place):
    with pytest.raises(WeightsError, match=place):
        build_transforms([STEPS[0], step], 'theirs.safetensors')
    with pytest.raises(WeightsError, match='a list of transforms'):
        build_transforms(step, 'theirs.safetensors')


def test_plain_values_are_bounded():
    check_plain({'a': [1, 2.5, True, None, 'x/y']}, 'f', 'settings')
    with pytest.raises(WeightsError, match=r'f: expected .* settings\.a\[0\]'):
        check_plain({'a': [float('inf')]}, 'f', 'settings')
