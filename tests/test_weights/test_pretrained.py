"""mmengine's ``Pretrained``, where it must not load in part."""

import pytest
import torch
from mmdet.models import PyramidVisionTransformer, SwinTransformer
from mmdet.models.backbones import DetectoRS_ResNet
from mmengine.config import ConfigDict
from mmengine.logging import MMLogger
from mmengine.model import BaseModule, PretrainedInit
from mmengine.runner import CheckpointLoader
from mmpretrain.models import ResNet
from safetensors.torch import save_file

from mmcvgssl.models.anomaly.one_class_detector import OneClassDetector
from mmcvgssl.weights import KeyMismatchError, WeightsError
from mmcvgssl.weights.pretrained import initialize, pretrained_must_fit


def net(width: int = 4, depth: int = 18, **logged) -> ResNet:
    cfg = {'type': 'Pretrained', **logged} if logged else None
    return ResNet(
        depth, base_channels=width, stem_channels=width, init_cfg=cfg
    )


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Files of weights, by what they hold."""
    folder = tmp_path_factory.mktemp('weights')
    torch.manual_seed(1)
    state = net().state_dict()
    keys = list(state)
    below = {f'backbone.{k}': v for k, v in state.items()}
    half = {k: state[k] for k in keys[: len(keys) // 2]}
    nan = {**state, keys[0]: state[keys[0]] * float('nan')}
    files = {
        'whole': state,
        'run': {'state_dict': {**below, 'head.fc.weight': torch.ones(2)}},
        'wrapped': {
            'state_dict': {f'module.{k}': v for k, v in state.items()}
        },
        'one_less': {k: state[k] for k in keys[1:]},
        'half': half,
        'nan': nan,
        'classified': {**state, 'fc.weight': torch.ones(3, 4)},
        'wider': net(8).state_dict(),
        'deeper': net(depth=34).state_dict(),
        'nested': {'model': state},
        'none': {'epoch': 3},
    }
    for name, held in files.items():
        torch.save(held, folder / f'{name}.pth')
    save_file(state, folder / 'other.safetensors')
    (folder / 'cut.pth').write_bytes((folder / 'whole.pth').read_bytes()[:999])
    return folder


@pytest.mark.parametrize(
    ('file', 'prefix', 'error', 'message'),
    [
        ('whole.pth', None, None, ''),
        ('wrapped.pth', None, None, ''),
        ('one_less.pth', None, None, ''),
        ('classified.pth', None, None, ''),
        ('run.pth', 'backbone', None, ''),
        ('run.pth', 'backbone.', None, ''),
        ('run.pth', None, KeyMismatchError, r"set prefix='backbone\.'"),
        ('run.pth', 'neck', KeyMismatchError, r"\(prefix 'neck'\)"),
        ('nested.pth', None, KeyMismatchError, 'none that fit'),
        ('none.pth', None, KeyMismatchError, 'none that fit'),
        ('half.pth', None, KeyMismatchError, r'95% of ResNet.*half\.pth'),
        ('wider.pth', None, KeyMismatchError, r'conv1\.weight \(model'),
        ('deeper.pth', None, KeyMismatchError, r'layer1\.2\.conv1\.weight'),
        ('nan.pth', None, WeightsError, r'nan\.pth holds NaN.*conv1\.weight'),
        ('cut.pth', None, WeightsError, r'cut\.pth cannot be read'),
        ('missing.pth', None, FileNotFoundError, r'missing\.pth'),
        ('other.safetensors', None, WeightsError, 'PretrainedBackbone'),
    ],
)
def test_files_fit_or_are_refused(folder, file, prefix, error, message):
    more = {} if prefix is None else {'prefix': prefix}
    model = net(checkpoint=str(folder / file), **more)
    if error is not None:
        with (
            pretrained_must_fit(model),
            pytest.raises(error, match=f'(?s){message}'),
        ):
            model.init_weights()
        return
    with pretrained_must_fit(model):
        model.init_weights()
    wanted = torch.load(folder / 'whole.pth', weights_only=True)
    own = model.state_dict()
    equal = [bool((own[key] == wanted[key]).all()) for key in wanted]
    assert sum(equal) >= len(equal) - (file == 'one_less.pth')


@pytest.mark.parametrize(
    ('file', 'error'),
    [
        ('half', None),  # of an address that models of several kinds share
        ('nan', WeightsError),
        ('run', KeyMismatchError),
    ],
)
def test_addresses_are_the_hosts(folder, monkeypatch, file, error):
    held = torch.load(folder / f'{file}.pth', weights_only=True)
    monkeypatch.setattr(
        CheckpointLoader, 'load_checkpoint', lambda *args, **kwargs: held
    )
    model = net(checkpoint='torchvision://resnet18')
    if error is None:
        with pretrained_must_fit(model):
            model.init_weights()
        assert torch.equal(model.conv1.weight, held['conv1.weight'])
        return
    with (
        pretrained_must_fit(model),
        pytest.raises(error, match='torchvision://'),
    ):
        model.init_weights()


def test_names_that_a_model_converts_fit(folder):
    class Converting(ResNet):
        """Loads the names of a whole model, as some of the hosts do."""

        def _load_from_state_dict(self, state_dict, prefix, *args):
            for key in [k for k in state_dict if k.startswith('backbone.')]:
                state_dict[key.removeprefix('backbone.')] = state_dict.pop(key)
            super()._load_from_state_dict(state_dict, prefix, *args)

    logged = {'type': 'Pretrained', 'checkpoint': str(folder / 'run.pth')}
    model = Converting(18, base_channels=4, stem_channels=4, init_cfg=logged)
    with pretrained_must_fit(model):
        model.init_weights()
    wanted = torch.load(folder / 'whole.pth', weights_only=True)
    assert torch.equal(model.conv1.weight, wanted['conv1.weight'])


def swin(checkpoint=None, width=8, depths=(1, 1), window=2, **more):
    logged = checkpoint and ConfigDict(
        type='Pretrained', checkpoint=checkpoint
    )
    return SwinTransformer(
        embed_dims=width,
        depths=depths,
        num_heads=(2, 2),
        strides=(4, 2),
        window_size=window,
        out_indices=(1,),
        init_cfg=logged,
        **more,
    )


def pvt(checkpoint=None, width=8, depths=(1, 1), **more):
    logged = checkpoint and ConfigDict(
        type='Pretrained', checkpoint=checkpoint
    )
    return PyramidVisionTransformer(
        pretrain_img_size=32,
        embed_dims=width,
        num_stages=2,
        num_layers=depths,
        num_heads=(1, 1),
        patch_sizes=(4, 2),
        strides=(4, 2),
        paddings=(0, 0),
        sr_ratios=(2, 1),
        mlp_ratios=(2, 2),
        out_indices=(0, 1),
        init_cfg=logged,
        **more,
    )


def detectors(checkpoint=None, **more):
    logged = checkpoint and ConfigDict(
        type='Pretrained', checkpoint=checkpoint
    )
    stages = (False, True, True, True)
    return DetectoRS_ResNet(
        **{'depth': 50, 'base_channels': 4, 'stem_channels': 4},
        **{'stage_with_sac': stages, 'output_img': False, 'init_cfg': logged},
        **more,
    )


def below(state):
    return {f'backbone.{key}': value for key, value in state.items()}


def changed(make, wrap=dict, **more):
    return lambda state: wrap(make(**more).state_dict())


def without(*words, wrap=dict):
    return lambda state: wrap(
        {k: v for k, v in state.items() if not any(w in k for w in words)}
    )


def other_window(state):
    tables = {
        k: v for k, v in swin(window=3).state_dict().items() if 'bias_t' in k
    }
    return without('position_index', wrap=below)({**state, **tables})


def broken(state):
    key = next(k for k in state if state[k].is_floating_point())
    return {**state, key: state[key] * float('nan')}


NAMES = 'names that it reads itself'


@pytest.mark.parametrize(
    ('make', 'held', 'message'),
    [
        (swin, below, None),
        (swin, lambda s: {'state_dict': below(s)}, None),
        # a window of another size is what the host resizes
        (swin, other_window, None),
        (
            swin,
            lambda s: {**below(s), 'backbone.norm.weight': s['norm1.bias']},
            None,
        ),
        (swin, without('norm1.bias', wrap=below), '95% of SwinTransformer'),
        (swin, without('stages.1', wrap=below), '95% of SwinTransformer'),
        (swin, changed(swin, below, width=16), 'SwinTransformer'),
        (swin, changed(swin, below, depths=(1, 3)), 'SwinTransformer'),
        (swin, dict, f'SwinTransformer by the {NAMES}'),
        (swin, lambda s: below(broken(s)), 'holds NaN'),
        (swin, lambda s: {'epoch': 3}, 'others .IndexError'),
        (pvt, dict, None),
        (pvt, lambda s: {'model': s}, None),
        (pvt, without('layers.1'), '95% of PyramidVision'),
        (pvt, changed(pvt, width=16), '95% of PyramidVision'),
        (pvt, changed(pvt, depths=(2, 3)), '95% of PyramidVision'),
        (pvt, below, 'none that fit'),
        (pvt, broken, 'holds NaN'),
        (detectors, dict, None),
        (detectors, without('layer3'), '95% of DetectoRS_ResNet'),
        (detectors, broken, 'holds NaN'),
    ],
)
def test_backbones_that_read_themselves_are_held_to_it(
    make, held, message, tmp_path
):
    torch.manual_seed(2)
    wanted = make().state_dict()
    torch.save(held(wanted), tmp_path / 'of.pth')
    model = BaseModule()
    model.backbone = backbone = make(str(tmp_path / 'of.pth'))
    with pretrained_must_fit(model):
        if message is not None:
            with pytest.raises(WeightsError, match=message) as raised:
                model.init_weights()
            assert str(tmp_path / 'of.pth') in str(raised.value)
        else:
            model.init_weights()
            equal = [
                torch.equal(value, wanted[key])
                for key, value in backbone.state_dict().items()
                if value.shape == wanted[key].shape
            ]
            assert sum(equal) > 0.9 * len(equal)
    # nothing is left behind
    assert 'init_weights' not in vars(backbone)
    assert not backbone._load_state_dict_pre_hooks


def test_what_they_read_is_there_and_whole(folder, tmp_path):
    for name, error in (
        ('missing.pth', FileNotFoundError),
        ('cut.pth', WeightsError),
        ('other.safetensors', WeightsError),
    ):
        model = pvt(str(folder / name))
        with pretrained_must_fit(model), pytest.raises(error, match=name):
            model.init_weights()


@pytest.mark.parametrize(
    ('held', 'fits'), [(without('layers.1'), True), (below, False)]
)
def test_what_they_fetch_is_the_hosts(monkeypatch, held, fits):
    state = held(pvt().state_dict())
    monkeypatch.setattr(
        CheckpointLoader, 'load_checkpoint', lambda *args, **kwargs: state
    )
    model = pvt('https://host/pvt.pth')
    with pretrained_must_fit(model):
        if fits:
            model.init_weights()
            assert set(state) <= set(model.state_dict())
            return
        with pytest.raises(KeyMismatchError, match='none that fit'):
            model.init_weights()


def test_nothing_changes_outside(folder):
    before = vars(PretrainedInit)['__call__']
    model = net(checkpoint=str(folder / 'half.pth'))
    with pretrained_must_fit(model):
        assert vars(PretrainedInit)['__call__'] is not before
        with pytest.raises(KeyMismatchError):
            model.init_weights()
    assert vars(PretrainedInit)['__call__'] is before
    net(checkpoint=str(folder / 'half.pth')).init_weights()


def test_a_training_stops_before_its_first_step(
    folder, fit, tiny_classes, tmp_path
):
    logged = {'type': 'Pretrained', 'checkpoint': str(folder / 'half.pth')}
    with pytest.raises(KeyMismatchError, match=r'half\.pth'):
        fit(
            tiny_classes, tmp_path / 'run', {'model.backbone.init_cfg': logged}
        )


def test_a_one_class_detector_stops_as_well(folder):
    logged = {'type': 'Pretrained', 'checkpoint': str(folder / 'half.pth')}
    backbone = {
        **{'type': 'mmpretrain.ResNet', 'depth': 18, 'init_cfg': logged},
        **{'base_channels': 4, 'stem_channels': 4},
    }
    with pytest.raises(KeyMismatchError, match=r'half\.pth'):
        OneClassDetector(backbone)


@pytest.mark.parametrize('filed', [False, True])
def test_how_parameters_were_set_is_in_files_alone(tmp_path, capsys, filed):
    file = tmp_path / 'run.log' if filed else None
    MMLogger.get_instance(f'{tmp_path}', log_file=file and str(file))
    model = net()
    initialize(model)
    said = capsys.readouterr()
    assert 'conv1.weight' not in said.out + said.err
    assert not filed or 'conv1.weight' in file.read_text()
    # another's own telling is as it was
    net().init_weights()
    assert ('conv1.weight' in capsys.readouterr().out) != filed
    assert not {'_dump_init_info', 'init_weights'} & vars(model).keys()


def test_a_module_of_torch_is_left_as_it_is():
    model = torch.nn.Linear(2, 2)
    before = model.weight.clone()
    initialize(model)
    assert (model.weight == before).all()
