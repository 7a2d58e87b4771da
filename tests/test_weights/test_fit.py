"""Passing backbones on: what fits, what does not, and equal features."""

import pytest
import torch

from mmcvgssl.registry import MODELS
from mmcvgssl.weights import (
    FITTING,
    KeyMismatchError,
    Policy,
    build_target,
    convert,
    load,
)
from mmcvgssl.weights.tables import resize_tables
from tests.boxes import NARROW_SWIN


def built(config):
    model = MODELS.build(config)
    model.eval()  # of some hosts returns nothing
    return model


def swin(host: str = 'mmpretrain', window: int = 4, **options):
    if host == 'mmdet':
        config = {'window_size': window, 'drop_path_rate': 0.0, **NARROW_SWIN}
    else:
        blocks = {'block_cfgs': {'window_size': window}}
        config = {'arch': NARROW_SWIN, 'img_size': 64, 'stage_cfgs': blocks}
        config['pad_small_map'] = True
    kind = f'{host}.SwinTransformer'
    return built({'type': kind, **config, **options})


def noisy(module):
    """Give every weight another value, so that none is equal by chance."""
    torch.manual_seed(0)
    for p in module.parameters():
        torch.nn.init.uniform_(p, -0.2, 0.2)
    return module


def csp(**options):
    config = {'deepen_factor': 0.33, 'widen_factor': 0.125, **options}
    return built({'type': 'mmyolo.YOLOv8CSPDarknet', **config})


def resnet(host, **options):
    small = {'depth': 18, 'base_channels': 8, 'stem_channels': 8}
    return built({'type': f'{host}.ResNet', **small, **options})


PAIRS = {
    'csp': (lambda: csp(out_indices=(3, 4)), lambda: csp(out_indices=(3, 4))),
    'resnet': (
        lambda: resnet('mmpretrain', out_indices=(1, 2, 3)),
        lambda: resnet('mmdet', out_indices=(1, 2, 3)),
    ),
    'swin': (
        lambda: swin('mmpretrain', out_indices=(1, 2, 3)),
        lambda: swin('mmdet', out_indices=(1, 2, 3)),
    ),
}


@pytest.mark.parametrize('pair', PAIRS)
def test_features_are_equal_in_the_detectors_backbone(pair):
    source, target = (build() for build in PAIRS[pair])
    noisy(source)
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        assert not torch.equal(source(images)[-1], target(images)[-1])
        report = load(target, source.state_dict(), FITTING)
        assert not report.missing
        assert not report.unexpected
        for mine, theirs in zip(source(images), target(images), strict=True):
            assert torch.allclose(mine, theirs, atol=1e-6)


def test_output_norms_may_be_missing():
    source = noisy(swin(out_indices=(3,), norm_cfg=None))
    target = swin(out_indices=(1, 2, 3))
    report = load(target, source.state_dict(), Policy((), (), 0.9))
    norms = {f'norm{i}.{k}' for i in (1, 2, 3) for k in ('weight', 'bias')}
    assert set(report.missing) == norms


def test_position_tables_follow_the_window():
    source, target = noisy(swin(window=3)), swin(window=4)
    load(target, source.state_dict(), FITTING)
    name = 'stages.0.blocks.0.attn.w_msa.relative_position_bias_table'
    small, large = source.state_dict()[name], target.state_dict()[name]
    heads = NARROW_SWIN['num_heads'][0]
    assert (small.shape, large.shape) == ((25, heads), (49, heads))
    # corners and middle of the table stay where they are
    grids = [t.reshape(s, s, heads) for t, s in ((small, 5), (large, 7))]
    for i in (0, 0.5, 1):
        a, b = (g[int(i * (len(g) - 1)), 0] for g in grids)
        assert torch.allclose(a, b, atol=1e-4)
    # the index of the target belongs to its own window
    with torch.no_grad():
        assert target(torch.randn(1, 3, 64, 64))[0].isfinite().all()


def test_tables_of_other_heads_are_left_alone():
    state = swin(window=3).state_dict()
    name = 'stages.0.blocks.0.attn.w_msa.relative_position_bias_table'
    state[name] = torch.zeros(25, 7)
    assert resize_tables(swin(window=4), state)[name].shape == (25, 7)


@pytest.mark.parametrize(
    ('source', 'named'),
    [
        (lambda: resnet('mmpretrain'), 'stem.conv.weight'),
        (lambda: csp(widen_factor=0.25), 'weights (16, 3, 3, 3)'),
        (lambda: csp(deepen_factor=1.0), 'blocks.2.conv1.conv.weight'),
    ],
    ids=['another kind', 'another width', 'another depth'],
)
def test_another_architecture_stops_with_the_list(source, named):
    target = csp()
    before = {k: v.clone() for k, v in target.state_dict().items()}
    with pytest.raises(KeyMismatchError, match='at least 95%') as caught:
        load(target, source().state_dict(), FITTING, 'other.pth')
    assert 'other.pth' in str(caught.value)
    assert named in str(caught.value)
    after = target.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)


@pytest.mark.parametrize('kind', ['SwinTransformer', 'SimMIMSwinTransformer'])
@pytest.mark.parametrize('norm', [{'type': 'LN'}, None])
def test_a_swin_is_exported_to_mmdet_whole(kind, norm):
    config = {
        'type': f'mmpretrain.{kind}',
        'arch': NARROW_SWIN,
        'img_size': 64,
        'stage_cfgs': {'block_cfgs': {'window_size': 4}},
        'norm_cfg': norm,
        'out_indices': (2, 3),
    }
    state = noisy(built(config)).state_dict()
    target = build_target(config, 'mmdet')
    report = load(target, convert(state, config, 'mmdet'))
    assert not report.missing
    assert not report.unexpected
    assert len(report.matched) > 50


def test_a_swin_without_counterpart_is_refused():
    config = {'type': 'mmpretrain.SwinTransformer', 'use_abs_pos_embed': True}
    with pytest.raises(ValueError, match='use_abs_pos_embed'):
        convert({}, config, 'mmdet')
    with pytest.raises(ValueError, match='cannot be written for timm'):
        convert({}, {'type': 'mmpretrain.SwinTransformer'}, 'timm')
    sizes = [{'block_cfgs': {'window_size': w}} for w in (7, 7, 6, 6)]
    mixed = {'arch': NARROW_SWIN, 'stage_cfgs': sizes}
    with pytest.raises(ValueError, match='one size'):
        build_target({'type': 'mmpretrain.SwinTransformer', **mixed}, 'mmdet')
