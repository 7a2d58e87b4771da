"""Weights that are no numbers are refused wherever weights are loaded."""

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from mmcvgssl.apis.export_backbone import export_backbone
from mmcvgssl.models import PretrainedBackbone
from mmcvgssl.models.anomaly.one_class_detector import OneClassDetector
from mmcvgssl.models.backbones import TimmBackbone
from mmcvgssl.models.teachers import HostTeacher, TimmTeacher
from mmcvgssl.registry import MODELS
from mmcvgssl.weights import (
    BACKBONE,
    EXACT,
    FITTING,
    KeyMismatchError,
    WeightsError,
    check_values,
    load,
    plain_state,
    read_checkpoint,
)

R18 = {
    'type': 'mmpretrain.ResNet',
    'depth': 18,
    'stem_channels': 4,
    'base_channels': 4,
}
BN = 'layer1.0.bn1'


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 1)
        self.bn = nn.BatchNorm2d(1)
        self.empty = nn.Parameter(torch.zeros(0, 3))


def state(**changes):
    return Net().state_dict() | {
        key.replace('__', '.'): value for key, value in changes.items()
    }


NAN, INF = float('nan'), float('inf')


@pytest.mark.parametrize(
    ('changes', 'expected'),
    [
        ({'conv__weight': torch.full((1, 1, 1, 1), NAN)}, 'has diverged'),
        ({'bn__running_var': torch.tensor([INF])}, 'of 8 tensors: bn.runni'),
        ({'bn__running_mean': torch.tensor([-INF])}, 'NaN or infinity in 1 '),
        ({'bn__running_var': torch.tensor([-1.0])}, 'negative variances'),
        (
            {'bn__weight': torch.tensor([1e39], dtype=torch.float64)},
            'NaN or infinity in 1 .*bn.weight',
        ),
        (
            {'bn__weight': torch.tensor([NAN], dtype=torch.bfloat16)},
            'NaN or infinity',
        ),
        (
            {'bn__weight': torch.ones(1).to(torch.float8_e4m3fn)},
            r'expected dense tensors of float16.*bn.weight \(float8_e4m3fn\)',
        ),
        (
            {'bn__weight': torch.ones(1, dtype=torch.complex64)},
            r'bn.weight \(complex64\)',
        ),
        ({'bn__weight': torch.ones(1).to_sparse()}, 'dense tensors'),
        ({'bn__weight': torch.ones(1, device='meta')}, 'dense tensors'),
    ],
)
@pytest.mark.parametrize('policy', [BACKBONE, EXACT, FITTING])
def test_no_policy_takes_what_is_no_number(changes, expected, policy):
    net = Net()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    with pytest.raises(WeightsError, match=expected) as caught:
        load(net, state(**changes), policy, 'run.pth')
    assert str(caught.value).startswith('run.pth')
    after = net.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)


@pytest.mark.parametrize('policy', [BACKBONE, EXACT])
@pytest.mark.parametrize(
    ('key', 'value'),
    [
        ('conv__weight', torch.ones(1, 1, 1, 1, dtype=torch.int8)),
        ('bn__num_batches_tracked', torch.tensor(0.0)),
        ('empty', torch.zeros(3, 0)),
    ],
)
def test_another_kind_or_shape_is_named(policy, key, value):
    with pytest.raises(KeyMismatchError, match=key.replace('__', '.')):
        load(Net(), state(**{key: value}), policy)


@pytest.mark.parametrize('kind', [torch.float16, torch.bfloat16, torch.double])
def test_other_precisions_are_taken_as_they_are(kind):
    net = Net()
    load(net, state(conv__weight=torch.full((1, 1, 1, 1), 0.5, dtype=kind)))
    assert net.conv.weight.item() == 0.5


def test_what_half_precision_cannot_hold_is_refused():
    large = state(bn__weight=torch.tensor([1e5]))
    load(Net(), large)
    with pytest.raises(WeightsError, match='infinity'):
        load(Net().half(), large)


def broken(module, key):
    """Give a state one value that is none."""
    held = {k: v.clone() for k, v in module.state_dict().items()}
    held[key].view(-1)[-1] = NAN
    return held


def of_export(file):
    config = file.with_suffix('.py')
    config.write_text(f'model = dict(backbone={R18})')
    export_backbone(file, file.with_name('out.pth'), 'mmdet', config)


PLACES = {
    'load': lambda f: load(MODELS.build(R18), f),
    'export': of_export,
    'teacher': lambda f: HostTeacher(R18, checkpoint=str(f)),
    'init_cfg': lambda f: PretrainedBackbone(str(f))(MODELS.build(R18)),
    'detector': lambda f: OneClassDetector(R18, checkpoint=str(f)),
}


@pytest.mark.parametrize('key', ['conv1.weight', f'{BN}.running_var'])
@pytest.mark.parametrize('place', PLACES)
@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_a_diverged_backbone_goes_nowhere(tmp_path, place, key, suffix):
    file = tmp_path / f'diverged{suffix}'
    held = broken(MODELS.build(R18), key)
    save_file(held, file) if suffix != '.pth' else torch.save(held, file)
    with pytest.raises(WeightsError, match=rf'diverged\{suffix}.*{key}'):
        PLACES[place](file)
    assert not (tmp_path / 'out.pth').exists()


def test_a_diverged_tower_of_timm_goes_nowhere(tmp_path):
    file = tmp_path / 'diverged.pth'
    tower = TimmTeacher('test_resnet', allow_random=True).tower
    torch.save(broken(tower, 'conv1.0.weight'), file)
    with pytest.raises(WeightsError, match=r'diverged\.pth.*conv1\.0\.weight'):
        TimmTeacher('test_resnet', weights=str(file))
    with pytest.raises(WeightsError, match=r'diverged\.pth.*conv1\.0\.weight'):
        TimmBackbone('test_resnet', weights=str(file)).init_weights()


def test_a_fitted_state_with_nan_is_refused(tmp_path):
    model = OneClassDetector(R18, false_alarm_rate=None)
    images = torch.from_numpy(
        np.random.default_rng(0).integers(0, 255, (6, 3, 32, 32), np.uint8)
    )
    model.fit([{'inputs': list(images)}])
    for key in ('state.whiten', 'state.mean'):
        file = tmp_path / f'{key}.safetensors'
        model.save_fitted(file)
        held = load_file(file)
        held[key].view(-1)[0] = INF
        with safe_open(file, 'pt') as opened:
            notes = opened.metadata()
        save_file(held, file, notes)
        with pytest.raises(WeightsError, match='NaN or infinity in 1'):
            model.load_fitted(file)


# files


@pytest.mark.parametrize(
    ('held', 'expected'),
    [
        ({'state_dict': {'module.a': 1}}, 'also module.a'),
        ({'teacher': {'a': torch.ones(1)}}, 'also teacher'),
        ({}, 'got none'),
        ({'state_dict': {}}, 'got none'),
    ],
)
def test_what_is_not_tensors_by_name_is_named(held, expected):
    with pytest.raises(WeightsError, match=expected):
        plain_state(held)


@pytest.mark.parametrize('nest', ['state_dict', 'model', ''])
@pytest.mark.parametrize('prefix', ['module.', '_orig_mod.', ''])
def test_nests_and_wrappers_are_undone(nest, prefix):
    held = {f'{prefix}a': torch.ones(1)}
    assert [*plain_state({nest: held} if nest else held)] == ['a']


def test_a_tensor_larger_than_its_file_is_refused(tmp_path):
    file = tmp_path / 'large.pth'
    torch.save({'a': torch.ones(1).expand(10**9)}, file)
    with pytest.raises(WeightsError, match=r'large\.pth .*tensor of \(10000'):
        read_checkpoint(file)


@pytest.mark.parametrize('suffix', ['.pth', '.pt', '.safetensors'])
@pytest.mark.parametrize('share', [0.0, 0.001, 0.5, 0.99])
def test_a_file_that_ends_too_early_is_named(tmp_path, suffix, share):
    file = tmp_path / f'cut{suffix}'
    held = {'a': torch.ones(3000), 'b': torch.ones(3)}
    save_file(held, file) if suffix[1] == 's' else torch.save(held, file)
    data = file.read_bytes()
    file.write_bytes(data[: int(share * len(data))])
    with pytest.raises(WeightsError, match=rf'cut\{suffix} cannot be') as got:
        read_checkpoint(file)
    assert '\n' not in str(got.value)


def test_checks_name_how_many_and_the_first():
    names = {f'layer{i}': torch.tensor([NAN]) for i in range(5)}
    names |= {f'good{i}': torch.ones(1) for i in range(5)}
    expected = 'in 5 of 10 tensors: layer0, layer1, layer2 and 2 more;'
    with pytest.raises(WeightsError, match=expected):
        check_values(names, 'run.pth')


def test_a_sound_backbone_is_exported(tmp_path):
    file = tmp_path / 'good.pth'
    torch.save(MODELS.build(R18).state_dict(), file)
    of_export(file)
    load(MODELS.build(R18), tmp_path / 'out.pth', EXACT)


def test_what_only_trust_can_read_says_so(tmp_path, monkeypatch):
    file = tmp_path / 'old.pth'
    torch.save({'a': torch.ones(1), 'args': slice(Net)}, file)
    monkeypatch.delenv('MMCVGSSL_UNSAFE_LOAD', raising=False)
    with pytest.raises(
        WeightsError, match=r'slice, which is code.*LOAD=1 reads it'
    ):
        read_checkpoint(file)
    monkeypatch.setenv('MMCVGSSL_UNSAFE_LOAD', '1')
    assert read_checkpoint(file)['args'] == slice(Net)
