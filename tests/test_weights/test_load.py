"""Weights: reading, checking and loading, key by key."""

import logging
import pickle

import pytest
import torch
from mmengine.logging import HistoryBuffer, MMLogger
from safetensors.torch import save_file
from torch import nn

import mmcvgssl  # noqa: F401
from mmcvgssl.weights import (
    EXACT,
    KeyMismatchError,
    KeyReport,
    backbone_state,
    build_target,
    convert,
    load,
    read_checkpoint,
)
from mmcvgssl.weights.names import scoped_type
from mmcvgssl.weights.targets import build_host


class Net(nn.Module):
    """A backbone of a few weights, with a classifier head on demand."""

    def __init__(self, width: int = 3, head: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 1)
        self.bn = nn.BatchNorm2d(width)
        if head:
            self.fc = nn.Linear(width, 2)


def state_of(seed: int = 0, **kwargs) -> dict:
    torch.manual_seed(seed)
    net = Net(**kwargs)
    nn.init.normal_(net.bn.running_mean)
    return net.state_dict()


def whole_model(state: dict, prefix: str = 'backbone.') -> dict:
    held = {prefix + k: v for k, v in state.items()}
    held['head.weight'] = held['neck.0.weight'] = torch.zeros(2)
    return {'meta': {'epoch': 3}, 'state_dict': held}


@pytest.mark.parametrize('prefix', ['backbone.', 'module.backbone.'])
def test_backbone_state_of_whole_model(prefix):
    state = state_of()
    found = backbone_state(whole_model(state, prefix))
    assert list(found) == list(state)
    assert all(torch.equal(found[k], state[k]) for k in state)


@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_backbone_state_of_plain_weights(prefix):
    state = state_of()
    assert list(backbone_state({prefix + k: v for k, v in state.items()})) == (
        list(state)
    )


def test_backbone_state_keeps_timm_prefix():
    held = {'backbone.timm_model.conv.weight': torch.zeros(1)}
    assert list(backbone_state(held)) == ['timm_model.conv.weight']


@pytest.mark.parametrize('held', [{}, {'epoch': 3}, {'state_dict': {}}])
def test_backbone_state_without_tensors(held):
    with pytest.raises(ValueError, match='Expected tensors by name'):
        backbone_state(held)


@pytest.mark.parametrize('suffix', ['.pth', '.pt', '.safetensors'])
def test_read_checkpoint(tmp_path, suffix):
    state, path = state_of(), tmp_path / f'weights{suffix}'
    save = save_file if suffix == '.safetensors' else torch.save
    save(state, path)
    held = read_checkpoint(path)
    assert set(held) == set(state)
    assert all(torch.equal(held[k], state[k]) for k in state)


def test_read_checkpoint_runs_no_code(tmp_path):
    path, witness = tmp_path / 'bad.pth', tmp_path / 'witness'

    class Evil:
        def __reduce__(self):
            return open, (str(witness), 'w')

    path.write_bytes(pickle.dumps({'state_dict': Evil()}, protocol=2))
    with pytest.raises(ValueError, match='plain data'):
        read_checkpoint(path)
    torch.save({'state_dict': Evil()}, path)
    with pytest.raises(ValueError, match='plain data'):
        read_checkpoint(path)
    assert not witness.exists()


def test_read_checkpoint_of_a_runner(tmp_path):
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    held = whole_model(state_of()) | {'message_hub': {'loss': history}}
    torch.save(held, tmp_path / 'epoch_1.pth')
    found = read_checkpoint(tmp_path / 'epoch_1.pth')
    assert found['message_hub']['loss'].mean() == 1.5
    assert len(backbone_state(found)) == len(state_of())


def test_read_checkpoint_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no such file.*Check'):
        read_checkpoint(tmp_path / 'none.pth')
    text = tmp_path / 'weights.txt'
    text.write_text('x')
    with pytest.raises(ValueError, match=r'\.safetensors, got .*txt'):
        read_checkpoint(text)
    for name in ('broken.pth', 'broken.safetensors'):
        (tmp_path / name).write_text('x')
        with pytest.raises(ValueError, match='Download it again'):
            read_checkpoint(tmp_path / name)
    torch.save([1, 2], tmp_path / 'list.pth')
    with pytest.raises(ValueError, match='got list'):
        read_checkpoint(tmp_path / 'list.pth')


def test_load_from_file_reports_and_logs(tmp_path, monkeypatch):
    logged = []
    logger = MMLogger.get_current_instance()
    monkeypatch.setattr(
        logger, 'log', lambda level, msg, *a, **k: logged.append((level, msg))
    )
    state, net = state_of(), Net(head=True)
    torch.save(whole_model(state), tmp_path / 'a.pth')
    report = load(net, tmp_path / 'a.pth')
    assert all(torch.equal(net.state_dict()[k], state[k]) for k in state)
    assert report == KeyReport(
        matched=list(state), missing=['fc.weight', 'fc.bias']
    )
    ((level, message),) = logged
    assert level == logging.INFO
    assert 'a.pth' in message
    assert report.summary() in message


def test_summary_names_every_key():
    report = KeyReport(['a', 'b'], ['c'], ['d', 'e'], ['f (model, weights)'])
    assert report.summary().splitlines() == [
        'matched: 2 of 4 keys of the model',
        'missing: 1: c',
        'unexpected: 2: d, e',
        'mismatched: 1: f (model, weights)',
    ]


def without(state: dict, key: str) -> dict:
    return {k: v for k, v in state.items() if k != key}


@pytest.mark.parametrize(
    ('state', 'expected'),
    [
        (without(state_of(), 'bn.running_var'), 'misses bn.running_var'),
        (state_of() | {'conv2.weight': torch.ones(1)}, 'besides conv2.weight'),
        (
            state_of(width=4),
            r'conv.weight \(model \(3, 3, 1, 1\), weights \(4, 3, 1, 1\)\)',
        ),
        ({'stem.w': torch.ones(1)}, '0 keys match; .*misses conv.*besides st'),
    ],
    ids=['missing', 'unexpected', 'shape', 'another architecture'],
)
def test_load_refuses_and_changes_nothing(state, expected):
    net = Net()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    with pytest.raises(KeyMismatchError, match=expected) as caught:
        load(net, state)
    assert 'Build the model with the settings' in str(caught.value)
    after = net.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)


@pytest.mark.parametrize('counter', ['bn.num_batches_tracked'])
def test_counters_of_batches_may_come_and_go(counter):
    load(Net(), without(state_of(), counter))
    extra = state_of() | {'old_bn.num_batches_tracked': torch.tensor(1)}
    report = load(Net(), extra)
    assert report.unexpected == ['old_bn.num_batches_tracked']


def test_heads_may_be_left_over_but_not_all_may_be_missing():
    report = load(Net(), state_of(head=True))
    assert report.unexpected == ['fc.weight', 'fc.bias']
    with pytest.raises(KeyMismatchError, match=r'misses fc\.weight'):
        load(Net(head=True), state_of(), EXACT)


def test_norm_in_a_timm_head_is_not_excused():
    net = Net()
    net.head = nn.ModuleDict({'norm': nn.BatchNorm2d(3)})
    with pytest.raises(KeyMismatchError, match=r'misses head\.norm\.weight'):
        load(net, state_of())


@pytest.mark.parametrize(
    ('cfg', 'expected'),
    [
        ({'type': 'ResNet'}, 'mmpretrain.ResNet'),
        ({'type': 'ResNet', '_scope_': 'mmdet'}, 'mmdet.ResNet'),
        ({'type': 'mmdet.ResNet'}, 'mmdet.ResNet'),
        ({'type': 'mmdet.models.backbones.ResNet'}, 'mmdet.ResNet'),
    ],
)
def test_scoped_type(cfg, expected):
    assert scoped_type(cfg) == expected


def test_scoped_type_of_a_class():
    from mmdet.models import ResNet

    assert scoped_type({'type': ResNet}) == 'mmdet.ResNet'
    with pytest.raises(ValueError, match='Expected a backbone config'):
        scoped_type({'depth': 18})


RESNET = {'type': 'mmpretrain.ResNet', 'depth': 18}
VIT = {
    'type': 'mmpretrain.VisionTransformer',
    'arch': {
        'embed_dims': 8,
        'num_layers': 1,
        'num_heads': 2,
        'feedforward_channels': 12,
    },
    'img_size': 32,
}


@pytest.mark.parametrize(
    ('cfg', 'target', 'expected'),
    [
        (RESNET, 'onnx', 'ResNet to mmpretrain, mmdet, mmyolo, timm'),
        (VIT, 'mmdet', 'cannot be written for mmdet. Supported'),
        ({'type': 'mmdet.CSPDarknet'}, 'timm', 'cannot be written for timm'),
        ({'type': 'mmpretrain.ConvNeXt'}, 'timm', 'other mmpretrain'),
        ({'type': 'mmcvgssl.Net'}, 'mmpretrain', 'cannot be written'),
        (RESNET | {'deep_stem': True}, 'mmdet', 'deep_stem=True'),
        (RESNET | {'style': 'caffe'}, 'timm', "expects style='pytorch'"),
        (RESNET | {'base_channels': 8}, 'torchvision', 'base_channels=8'),
        (RESNET | {'norm_cfg': {'type': 'BN', 'eps': 0.1}}, 'timm', 'eps=0.1'),
        (VIT | {'pre_norm': True}, 'timm', 'pre_norm=True'),
        (VIT | {'out_type': 'avg_featmap'}, 'timm', 'avg_featmap'),
        (VIT | {'img_size': (32, 64)}, 'torchvision', 'Export to timm'),
        (VIT | {'qkv_bias': False}, 'torchvision', 'qkv_bias=False'),
        (RESNET | {'depth': 19}, 'mmpretrain', 'cannot be built'),
        (RESNET | {'depth': 19}, 'torchvision', "cannot build 'resnet19'"),
    ],
)
def test_unsupported_targets_say_what_is_supported(cfg, target, expected):
    with pytest.raises(ValueError, match=expected):
        build_target(cfg, target)


@pytest.mark.parametrize('target', ['timm', 'torchvision'])
def test_unknown_arch(target):
    with pytest.raises(ValueError, match="cannot build 'nosuchnet'"):
        build_target(RESNET, target, arch='nosuchnet')
    with pytest.raises(ValueError, match='leave it out'):
        build_target(RESNET, 'mmdet', arch='resnet18')


@pytest.mark.parametrize('stem', [{}, {'stem_channels': 6}])
@pytest.mark.parametrize(
    ('host', 'target'), [('mmpretrain', 'mmdet'), ('mmdet', 'mmpretrain')]
)
def test_resnet_of_other_sizes_keeps_them_in_the_hosts(host, target, stem):
    cfg = {'type': f'{host}.ResNet', 'depth': 18, 'base_channels': 4, **stem}
    cfg |= {'num_stages': 2, 'strides': (1, 2), 'dilations': (1, 1)}
    cfg |= {'out_indices': (1,), 'norm_cfg': {'type': 'GN', 'num_groups': 2}}
    state = convert(build_host(cfg).state_dict(), cfg, target)
    model = build_target(cfg, target)
    report = load(model, state)
    assert type(model).__module__.startswith(f'{target}.')
    assert report.matched == list(state)
    assert not report.missing
