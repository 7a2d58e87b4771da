"""SSPCAB: what it computes, and its way into models of the hosts."""

import pickle
import uuid
from copy import deepcopy
from functools import partial

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import BaseModel, MMDistributedDataParallel
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmengine.structures import InstanceData
from torch import nn
from torch.utils.checkpoint import checkpoint

import mmcvgssl  # noqa: F401
from mmcvgssl.engine import AutocastOptimWrapper, collect_sspcab_loss
from mmcvgssl.models.backbones import WithSSPCAB
from mmcvgssl.models.layers import (
    SSPCAB,
    add_sspcab_loss,
    needs_sspcab_loss,
    sspcab_losses,
)
from mmcvgssl.models.layers.sspcab import MaskedConv
from mmcvgssl.registry import MODELS
from tests.data import FakeTeacher

GEOMETRIES = [(k, d) for k in (1, 2, 3) for d in (1, 2, 3)]
SIZES = [(1, 1), (5, 7), (12, 3)]
NARROW = {'depth': 18, 'base_channels': 8, 'stem_channels': 8}
RESNET = {'type': 'mmpretrain.ResNet', **NARROW}
NAME = 'layer4.1.conv2'
# host, config, layer
BACKBONES = [
    (RESNET, NAME),
    ({'type': 'mmdet.ResNet', 'frozen_stages': 1, **NARROW}, NAME),
    (
        {'type': 'mmpretrain.MobileNetV2', 'widen_factor': 0.25},
        'layer5.1.conv.1.conv',
    ),
    (
        {'type': 'mmyolo.YOLOv8CSPDarknet', 'widen_factor': 0.125},
        'stage4.1.main_conv.conv',
    ),
    (
        {'type': 'mmpretrain.TIMMBackbone', 'model_name': 'resnet18'},
        f'timm_model.{NAME}',
    ),
]


def wrapped(cfg=None, layers=NAME, **kwargs) -> dict:
    """The config of a backbone with SSPCAB."""
    backbone = cfg or RESNET
    kind = 'mmcvgssl.WithSSPCAB'
    return {'type': kind, 'backbone': backbone, 'layers': layers, **kwargs}


def images(n: int = 2, side: int = 64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, 3, side, side, generator=generator)


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize(('k', 'd'), [*GEOMETRIES, (2, 0)])
def test_the_four_windows_are_one_masked_convolution(k, d, size):
    torch.manual_seed(0)
    conv, x = MaskedConv(3, k, d).double(), torch.randn(2, 3, *size).double()
    side = 2 * k + 2 * d + 1
    kernel = torch.zeros(3, 3, side, side).double()
    first, last = slice(0, k), slice(side - k, side)
    corners = [(a, b) for a in (first, last) for b in (first, last)]
    for (rows, columns), part in zip(corners, conv.corners, strict=True):
        kernel[:, :, rows, columns] = part.weight.detach()
    bias = sum(part.bias for part in conv.corners)
    out = conv(x)
    assert out.shape == x.shape
    expected = F.conv2d(x, kernel, bias, padding=k + d)
    torch.testing.assert_close(out, expected)


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize(('k', 'd'), GEOMETRIES)
def test_gradients_are_right(k, d, size):
    torch.manual_seed(0)
    block = SSPCAB(2, k, d, reduction_ratio=1).double()
    x = torch.randn(1, 2, *size).double().requires_grad_()

    def both(x):
        out = block(x)
        return out, block.reconstruction_loss

    assert torch.autograd.gradcheck(both, (x,), fast_mode=True)
    both(x)[0].sum().backward()
    assert all(p.grad is not None for p in block.parameters())


def test_attention_and_loss_are_those_of_the_definition():
    torch.manual_seed(0)
    block, x = SSPCAB(16, 2, 1), torch.randn(2, 16, 6, 5)
    predicted = block.conv(x).clamp(min=0)
    first, second = block.attention.conv1.conv, block.attention.conv2.conv
    assert first.weight.shape == (2, 16, 1, 1)
    hidden = predicted.mean((2, 3)) @ first.weight[..., 0, 0].T + first.bias
    scale = hidden.clamp(min=0) @ second.weight[..., 0, 0].T + second.bias
    expected = predicted * (1 / (1 + (-scale).exp()))[..., None, None]
    out = block(x)
    torch.testing.assert_close(out, expected)
    loss = ((expected - x) ** 2).mean()
    torch.testing.assert_close(block.reconstruction_loss, loss)


def test_the_loss_is_there_in_training_alone():
    block, x = SSPCAB(8), torch.randn(1, 8, 4, 4)
    block(x)
    assert block.reconstruction_loss.requires_grad
    assert deepcopy(block).reconstruction_loss is None
    with torch.no_grad():
        block(x)
    assert block.reconstruction_loss is None
    block(x)
    block.eval()(x)
    assert block.reconstruction_loss is None
    with torch.autocast('cpu', torch.bfloat16):
        block.train()(x)
    assert block.reconstruction_loss.dtype == torch.float32


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        ({'channels': 0}, 'channels'),
        ({'kernel_dim': 0}, 'kernel_dim of SSPCAB is 1 or more, got 0'),
        ({'dilation': -1}, 'dilation'),
        ({'reduction_ratio': 0}, 'reduction_ratio'),
        ({'channels': 4}, 'nothing of 4 channels'),
    ],
)
def test_options_without_sense_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        SSPCAB(**{'channels': 16, **kwargs})


@pytest.mark.parametrize(('cfg', 'name'), BACKBONES)
def test_other_keys_stay_and_plain_weights_load(cfg, name):
    plain, other = MODELS.build(cfg), MODELS.build(wrapped(cfg, name))
    assert isinstance(other, WithSSPCAB)
    assert type(other.host) is type(plain)
    state, own = plain.state_dict(), other.state_dict()
    kept = [key for key in state if not key.startswith(f'{name}.')]
    assert [k for k in own if not k.startswith(f'{name}.')] == kept
    missing, unexpected = other.load_state_dict(state, strict=False)
    block = other.get_submodule(name)
    assert isinstance(block, SSPCAB)
    assert set(missing) == {f'{name}.{k}' for k in block.state_dict()}
    assert set(unexpected) == set(state) - set(kept)
    assert all(torch.equal(other.state_dict()[k], state[k]) for k in kept)
    shapes = [x.shape for x in plain(images())]
    assert [x.shape for x in other(images())] == shapes
    for names in ('named_parameters', 'named_modules', 'named_children'):
        theirs = [n for n, _ in getattr(plain, names)()]
        ours = [n for n, _ in getattr(other, names)()]
        kept = [n for n in theirs if not n.startswith(f'{name}.')]
        assert [n for n in ours if not n.startswith(f'{name}.')] == kept


def test_several_layers_and_options():
    names = ['layer3.0.conv2', NAME]
    options = {'kernel_dim': 2, 'dilation': 3, 'reduction_ratio': 4}
    net = MODELS.build(wrapped(layers=names, **options))
    for name, width in zip(names, (32, 64), strict=True):
        block = net.get_submodule(name)
        assert block.conv.corners[0].kernel_size == (2, 2)
        assert block.conv.shift == 2 + 2 * 3 + 1
        weight = block.attention.conv1.conv.weight
        assert weight.shape[:2] == (width // 4, width)


@pytest.mark.parametrize(
    ('cfg', 'layers', 'message'),
    [
        (None, 'layer9', "no layer 'layer9'; SSPCAB can replace.*layer4.1.co"),
        (None, '', "no layer ''"),
        (None, [], 'names no convolution'),
        (None, 'layer4.1', 'is a BasicBlock, not a conv.*layer4.1.conv2'),
        (None, 'layer4.0.conv1', r'32 channels to 64 with stride \(2, 2\)'),
        (None, 'conv1', '3 channels to 8'),
        (None, [NAME, NAME], 'is a CollectedSSPCAB'),
        ({'frozen_stages': 4}, NAME, 'frozen.*frozen_stages'),
        ({'with_cp': True}, NAME, 'with_cp=False'),
    ],
)
def test_layers_that_cannot_be_replaced_are_named(cfg, layers, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(wrapped({**RESNET, **(cfg or {})}, layers))


def test_other_bad_options_of_the_insertion():
    for weight in (-1, float('nan'), float('inf'), '0.1', None):
        with pytest.raises(ValueError, match=f'loss_weight .* got {weight!r}'):
            WithSSPCAB(RESNET, NAME, loss_weight=weight)
    for layers in (None, 3, [3], {NAME}):
        with pytest.raises(ValueError, match='expected a name or a list'):
            WithSSPCAB(RESNET, layers)
    with pytest.raises(ValueError, match="got 'resnet'"):
        WithSSPCAB('resnet', NAME)
    vit = {'type': 'mmpretrain.VisionTransformer', 'arch': 'deit-tiny'}
    vit |= {'img_size': 32, 'patch_size': 16}
    with pytest.raises(ValueError, match='has none that SSPCAB can replace'):
        WithSSPCAB(vit, 'patch_embed.projection')


def test_attributes_are_those_of_the_backbone():
    net = MODELS.build({**RESNET, 'frozen_stages': 1})
    other = WithSSPCAB(net, NAME)
    assert other.out_indices == (3,)
    other.out_indices = (2, 3)
    assert [x.shape[1] for x in other(images())] == [32, 64]
    assert other.norm1 is net.norm1
    assert not hasattr(other, 'nothing_like_it')
    other.bn1 = nn.Identity()  # as conversions of batch norms do
    assert net.bn1 is other.bn1
    assert other.train() is other
    assert net.training
    assert not other.layer1.training
    assert not other.eval().training
    assert {p.dtype for p in net.double().parameters()} == {torch.float64}
    assert other.layer2[0].conv1.weight.dtype == torch.float64


@pytest.mark.parametrize(
    'copy', [deepcopy, lambda net: pickle.loads(pickle.dumps(net))]
)
def test_copies_are_whole_and_apart(copy):
    net = MODELS.build(wrapped())
    net(images())
    other = copy(net)
    assert isinstance(other, WithSSPCAB)
    assert vars(other) is vars(other.host)
    assert other.host is not net.host
    with torch.no_grad():
        other.layer1[0].conv1.weight.zero_()
    assert net.layer1[0].conv1.weight.any()
    assert not other.host.layer1[0].conv1.weight.any()
    assert list(other.state_dict()) == list(net.state_dict())


@pytest.mark.parametrize('given', [RESNET, {'type': 'mmdet.ResNet', **NARROW}])
def test_initial_weights_are_the_backbones(given):
    zero = {'type': 'Constant', 'layer': 'Conv2d', 'val': 0.5}
    model = Regressor(wrapped({**given, 'init_cfg': zero}))
    model.init_weights()
    assert model.backbone.is_init
    assert (model.backbone.layer1[0].conv1.weight == 0.5).all()
    parts = model.modules()
    assert not any(hasattr(part, '_params_init_info') for part in parts)


def test_options_of_an_optimizer_find_the_backbones_names():
    rate = {'lr_mult': 0.1}
    model = Regressor(wrapped())
    wrapper = build_optim_wrapper(
        model,
        {
            'optimizer': {'type': 'SGD', 'lr': 1.0},
            'paramwise_cfg': {'custom_keys': {'backbone.layer4': rate}},
        },
    )
    slow = {
        id(parameter)
        for group in wrapper.param_groups
        for parameter in group['params']
        if group['lr'] == 0.1
    }
    named = list(model.named_parameters())
    found = [name for name, p in named if id(p) in slow]
    assert found == [n for n, _ in named if n.startswith('backbone.layer4')]
    assert f'backbone.{NAME}.attention.conv1.conv.weight' in found


class Regressor(BaseModel):
    """A model of another kind; it runs its backbone for each view."""

    def __init__(self, backbone, passes: int = 1) -> None:
        super().__init__()
        self.backbone = MODELS.build(backbone)
        self.passes = passes

    def forward(self, inputs, mode='tensor'):
        parts = inputs.chunk(self.passes)
        features = [self.backbone(part)[-1] for part in parts]
        if mode == 'loss':
            return {'loss': torch.cat(features).mean()}
        return {'features': features}


def regressor(*args, **kwargs) -> Regressor:
    """The same, with the loss of its SSPCABs."""
    model = Regressor(*args, **kwargs)
    add_sspcab_loss(model)
    return model


def mse_by_hand(model, inputs, name=NAME) -> torch.Tensor:
    """Input and output of the block, compared outside."""
    seen = []
    block = model.backbone.get_submodule(name)
    handle = block.register_forward_hook(
        lambda _, args, out: seen.append(F.mse_loss(out, args[0]))
    )
    model(inputs, mode='tensor')
    handle.remove()
    return torch.stack(seen).mean()


@pytest.mark.parametrize('passes', [1, 2])
@pytest.mark.parametrize('weight', [0.1, 2.0])
def test_the_term_is_the_weighted_error(passes, weight):
    torch.manual_seed(0)
    model = regressor(wrapped(loss_weight=weight), passes)
    expected = weight * mse_by_hand(model, images(4))
    for _ in range(2):  # nothing is left over from another pass
        model.backbone(images(4))
        out = model(images(4), mode='loss')
        assert list(out) == ['loss', 'loss_sspcab']
        torch.testing.assert_close(out['loss_sspcab'], expected)


def test_layers_add_up_and_zero_weight_is_left_out():
    torch.manual_seed(0)
    names = ['layer3.1.conv2', NAME]
    model = regressor(wrapped(layers=names))
    expected = sum(0.1 * mse_by_hand(model, images(), n) for n in names)
    out = model(images(), mode='loss')['loss_sspcab']
    torch.testing.assert_close(out, expected)
    off = regressor(wrapped(loss_weight=0))
    assert list(off(images(), mode='loss')) == ['loss']


def test_only_losses_of_training_get_the_term():
    model = regressor(wrapped())
    assert list(model(images(), mode='tensor')) == ['features']
    assert 'loss_sspcab' in model(images(), 'loss')
    assert list(model.eval()(images(), mode='loss')) == ['loss']
    assert 'loss_sspcab' in deepcopy(model).train()(images(), mode='loss')
    model.train().backbone.eval()
    assert list(model(images(), mode='loss')) == ['loss']


def test_models_in_models_and_models_built_before():
    class Outer(BaseModel):
        def __init__(self, inner) -> None:
            super().__init__()
            self.inner = nn.ModuleDict({'student': inner})

        def forward(self, inputs, mode='tensor'):
            return self.inner['student'].forward(inputs, mode)

    outer = Outer(Regressor(wrapped()))
    assert list(outer(images(), mode='loss')) == ['loss']
    add_sspcab_loss(outer)
    term = outer(images(), mode='loss')['loss_sspcab']
    add_sspcab_loss(outer)  # once is enough, twice does no harm
    assert torch.equal(outer(images(), mode='loss')['loss_sspcab'], term)
    # the inner one takes it first, and it counts once
    add_sspcab_loss(outer.inner['student'])
    assert list(outer(images(), mode='loss')) == ['loss', 'loss_sspcab']
    model = Regressor(RESNET)
    assert not needs_sspcab_loss(model)
    model.backbone = WithSSPCAB(model.backbone, NAME)
    assert needs_sspcab_loss(model)
    add_sspcab_loss(model)
    assert not needs_sspcab_loss(model)
    assert 'loss_sspcab' in model(images(), mode='loss')


def test_who_collects_within_a_collection_takes_the_losses():
    torch.manual_seed(0)
    net = MODELS.build(wrapped(loss_weight=1.0))
    with sspcab_losses(net) as outer:
        net(images())
        with sspcab_losses(net) as inner:
            net(2 * images())
    first, second = outer['loss_sspcab'], inner['loss_sspcab']
    assert not torch.equal(first, second)
    with sspcab_losses(net) as again:
        net(images())
    assert torch.equal(again['loss_sspcab'], first)
    with sspcab_losses(net) as nothing:
        pass
    assert nothing == {}


def test_a_training_without_the_term_is_refused():
    model = Regressor(wrapped())
    for _ in range(2):  # looking is no training
        model.backbone(images())
    out = model(images(), mode='loss')['loss']
    with pytest.raises(RuntimeError, match=r'SSPCABLossHook.*loss_weight=0'):
        out.backward()
    model.eval()(images(), mode='loss')['loss'].backward()
    model.train()
    with sspcab_losses(model):
        out = model(images(), mode='loss')['loss']
    out.backward()
    off = Regressor(wrapped(loss_weight=0))
    assert not needs_sspcab_loss(off)
    off(images(), mode='loss')['loss'].backward()


@pytest.mark.parametrize('reentrant', [True, False])
def test_recomputed_passes_count_once_or_are_refused(reentrant):
    torch.manual_seed(0)
    model = regressor(wrapped())
    expected = model(images(), mode='loss')['loss_sspcab']
    part = model.backbone.layer4[1]
    part.forward = partial(checkpoint, part.forward, use_reentrant=reentrant)
    losses = model(images(), mode='loss')
    if reentrant:  # the first pass has no gradients, so no loss either
        with pytest.raises(RuntimeError, match='activation checkpointing'):
            losses['loss'].backward()
        return
    torch.testing.assert_close(losses['loss_sspcab'], expected)
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in part.conv2.parameters())


def test_an_interrupted_pass_leaves_nothing_behind():
    torch.manual_seed(0)
    model = regressor(wrapped(), passes=2)
    expected = model(images(), mode='loss')['loss_sspcab']
    with pytest.raises(RuntimeError):  # the second view is none
        model(images()[:, :2], mode='loss')
    with pytest.raises(KeyError), sspcab_losses(model):
        raise KeyError
    assert torch.equal(model(images(), mode='loss')['loss_sspcab'], expected)
    blocks = [m for m in model.modules() if isinstance(m, SSPCAB)]
    assert [block.collecting for block in blocks] == [[]]


def test_other_models_are_left_alone():
    model = regressor(wrapped())
    assert not torch.nn.modules.module._global_module_registration_hooks
    other = Regressor(wrapped())
    assert not other._forward_hooks
    assert list(other(images(), mode='loss')) == ['loss']
    assert 'loss_sspcab' in model(images(), mode='loss')


@pytest.mark.parametrize('given', [True, False])
def test_trainings_of_hosts_models_get_the_term(tmp_path, given):
    """By the hook in a config, or by what build_runner calls."""
    hook = {'type': 'mmcvgssl.SSPCABLossHook'}
    seen = []

    class Watch(Hook):
        def after_train_iter(self, runner, batch_idx, data_batch, outputs):
            seen.append(outputs)

    loader = {
        'dataset': [{'inputs': image} for image in images(4)],
        'batch_size': 2,
        'sampler': {'type': 'DefaultSampler', 'shuffle': False},
        'collate_fn': {'type': 'default_collate'},
    }
    runner = Runner(
        Regressor(wrapped()),
        str(tmp_path),
        train_dataloader=loader,
        train_cfg={'by_epoch': True, 'max_epochs': 1},
        optim_wrapper={'optimizer': {'type': 'SGD', 'lr': 1e-3}},
        custom_hooks=[*([hook] if given else []), Watch()],
        default_scope='mmpretrain',
        experiment_name=uuid.uuid4().hex,
        cfg={'train_dataloader': {}},
    )
    for _ in range(2):
        collect_sspcab_loss(runner)
    kinds = [type(h).__name__ for h in runner.hooks]
    assert kinds.count('SSPCABLossHook') == 1
    runner.train()
    assert len(seen) == 2
    assert all(log['loss_sspcab'] > 0 for log in seen)


def step(model, data, wrapper=OptimWrapper, **kwargs) -> dict:
    """Train one step; the log, after a look at the block's gradients."""
    model.train()
    target = getattr(model, 'module', model)
    if needs_sspcab_loss(target):  # as SSPCABLossHook does
        add_sspcab_loss(target)
    blocks = [m for m in target.modules() if isinstance(m, SSPCAB)]
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    seen = []
    for parameter in blocks[0].parameters():
        parameter.register_hook(lambda grad: seen.append(float(grad.norm())))
    log = model.train_step(data, wrapper(optimizer=optimizer, **kwargs))
    assert len(seen) == len(list(blocks[0].parameters()))
    assert sum(seen) > 0
    assert all(torch.isfinite(v).all() for v in log.values())
    assert log['loss_sspcab'] > 0
    return log


@pytest.fixture
def scope(request):
    """The default scope that a config of a host sets."""
    name = uuid.uuid4().hex
    DefaultScope.get_instance(name, scope_name=request.param)
    yield request.param
    DefaultScope._instance_dict.pop(name)


def classifier() -> tuple[BaseModel, dict]:
    from mmpretrain.structures import DataSample

    model = MODELS.build(
        {
            'type': 'mmpretrain.ImageClassifier',
            'backbone': wrapped(),
            'neck': {'type': 'mmpretrain.GlobalAveragePooling'},
            'head': {'type': 'mmpretrain.LinearClsHead'}
            | {'num_classes': 3, 'in_channels': 64},
        }
    )
    samples = [DataSample().set_gt_label(i) for i in range(2)]
    return model, {'inputs': images(), 'data_samples': samples}


def cvgssl(per_view: bool = False) -> tuple[BaseModel, dict]:
    from mmpretrain.structures import DataSample

    model = MODELS.build(
        {
            'type': 'mmcvgssl.CVGSSL',
            'backbone': wrapped(),
            'teachers': [FakeTeacher()],
            'regression_head': {
                'type': 'mmcvgssl.FeatureRegressionHead',
                'in_channels': 64,
            },
            'per_view_bn': per_view,
        }
    )
    samples = [DataSample(), DataSample()]
    return model, {'inputs': [images(), images()], 'data_samples': samples}


def test_models_of_the_package_add_it_themselves():
    assert needs_sspcab_loss(classifier()[0])
    assert not needs_sspcab_loss(cvgssl()[0])
    model, data = cvgssl()
    add_sspcab_loss(model)  # the term counts once all the same
    step(model, data)
    losses = model.loss(**data)
    assert list(losses) == ['loss_regression', 'loss_sspcab']


@pytest.mark.parametrize(
    'made', [classifier, cvgssl, lambda: cvgssl(per_view=True)]
)
def test_a_step_of_a_classifier_and_a_self_supervisor(made):
    step(*made())


def test_the_term_is_part_of_what_is_minimised():
    log = step(*cvgssl())
    terms = log['loss_regression'] + log['loss_sspcab']
    torch.testing.assert_close(log['loss'], terms)


def detector(folder, base: str, layer: str, change: dict) -> BaseModel:
    """A small model of a host's config, its backbone with SSPCAB."""
    path = folder / 'detector.py'
    path.write_text(f"""
_base_ = {base!r}
model = {change!r}
model['backbone'] = dict(
    _delete_=True,
    type='mmcvgssl.WithSSPCAB',
    backbone={{**_base_.model.backbone, **model['backbone']}},
    layers={layer!r},
)
""")
    return MODELS.build(Config.fromfile(path).model)


@pytest.mark.parametrize('scope', ['mmdet'], indirect=True)
def test_a_step_of_a_two_stage_detector(tmp_path, scope):
    from mmdet.structures import DetDataSample

    change = {
        'backbone': {'depth': 18, 'base_channels': 8, 'init_cfg': None},
        'neck': {'in_channels': [8, 16, 32, 64], 'out_channels': 16},
        'rpn_head': {'in_channels': 16, 'feat_channels': 16},
        'roi_head': {
            'bbox_roi_extractor': {'out_channels': 16},
            'bbox_head': {'in_channels': 16, 'fc_out_channels': 16},
        },
    }
    base = 'mmdet::_base_/models/faster-rcnn_r50_fpn.py'
    model = detector(tmp_path, base, NAME, change)
    instances = InstanceData(
        bboxes=torch.tensor([[4.0, 4, 40, 50]]), labels=torch.tensor([1])
    )
    sample = DetDataSample(
        metainfo={'img_shape': (64, 64), 'scale_factor': (1.0, 1.0)},
        gt_instances=instances,
    )
    image = torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8)
    data = {'inputs': [image], 'data_samples': [sample]}
    log = step(model, data)
    assert 'loss_rpn_cls' in log
    found = model.eval().test_step(data)
    assert 'loss_sspcab' not in found[0]


@pytest.mark.parametrize('scope', ['mmyolo'], indirect=True)
def test_a_step_of_yolov8(tmp_path, scope):
    pytest.importorskip('mmyolo')
    narrow = {'widen_factor': 0.125, 'norm_cfg': {'type': 'BN'}}
    change = {
        'backbone': narrow,
        'neck': narrow,
        'bbox_head': {'head_module': narrow},
    }
    base = 'mmyolo::yolov8/yolov8_s_syncbn_fast_8xb16-500e_coco.py'
    model = detector(tmp_path, base, 'stage4.1.main_conv.conv', change)
    meta = {'img_shape': (64, 64), 'batch_input_shape': (64, 64)}
    boxes = torch.tensor([[0, 3, 8, 8, 40, 48], [1, 5, 16, 4, 60, 30.0]])
    samples = {'bboxes_labels': boxes, 'img_metas': [meta] * 2}
    data = {'inputs': images() * 50 + 128, 'data_samples': samples}
    assert 'loss_dfl' in step(model, data)


def test_mixed_precision_and_accumulation():
    model, data = classifier()
    log = step(model, data, AutocastOptimWrapper, accumulative_counts=2)
    assert log['loss_sspcab'].dtype == torch.float32
    model.train_step(
        data,
        AutocastOptimWrapper(
            optimizer=torch.optim.SGD(model.parameters(), lr=1e-3)
        ),
    )


@pytest.mark.parametrize('find_unused', [False, True])
def test_steps_under_ddp(tmp_path, find_unused):
    dist.init_process_group(
        'gloo', init_method=f'file://{tmp_path}/store', rank=0, world_size=1
    )
    try:
        model, data = classifier()
        model = MMDistributedDataParallel(
            model, find_unused_parameters=find_unused
        )
        for _ in range(2):
            log = step(model, data)
        alone, data = classifier()
        alone.load_state_dict(model.module.state_dict())
        add_sspcab_loss(alone)
        expected = alone.train()(**data, mode='loss')['loss_sspcab']
        log = step(model, data)
        torch.testing.assert_close(log['loss_sspcab'], expected.detach())
    finally:
        dist.destroy_process_group()
