"""What is pretrained with anomaly maps: losses, levels, frozen stages."""

from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from mmengine.optim import OptimWrapper
from mmpretrain.models.selfsup import SimMIM
from mmpretrain.structures import DataSample
from torch import Tensor, nn

import mmcvgssl  # noqa: F401
from mmcvgssl.models.heads import AnomalyDistillHead, AttentionAdapterHead
from mmcvgssl.models.losses import activation_distill_loss
from mmcvgssl.models.selfsup import CVGSSL
from mmcvgssl.models.selfsup.anomaly_distill_classifier import (
    AnomalyDistillClassifier,
)
from mmcvgssl.models.selfsup.anomaly_distill_simmim import AnomalyDistillSimMIM
from mmcvgssl.registry import MODELS
from tests.data import FakeTeacher

N, SIDE = 4, 64
NORM = {'mean': [110.0] * 3, 'std': [32.0] * 3}
RESNET = {
    'type': 'mmpretrain.ResNet',
    'depth': 18,
    'stem_channels': 8,
    'base_channels': 8,
    'out_indices': (2, 3),
}
ARCH = {'embed_dims': 8, 'depths': [1, 1, 2, 1], 'num_heads': [1, 1, 1, 2]}
SWIN = {
    'type': 'mmpretrain.SwinTransformer',
    'arch': ARCH,
    'img_size': SIDE,
    'window_size': 2,
    'out_indices': (2, 3),
}
DARKNET = {
    'type': 'mmyolo.YOLOv8CSPDarknet',
    'deepen_factor': 0.33,
    'widen_factor': 0.0625,
    'out_indices': (3, 4),
}
# backbone, what its two frozen stages are called, width of the last level
BACKBONES = [
    (RESNET | {'frozen_stages': 2}, ('conv1', 'bn1', 'layer1', 'layer2'), 64),
    (
        SWIN | {'frozen_stages': 1},
        ('patch_embed', 'stages.0', 'stages.1'),
        64,
    ),
    (
        DARKNET | {'frozen_stages': 2},
        ('stem', 'stage1', 'stage2'),
        64,
    ),
]
NAMES = ['resnet', 'swin', 'darknet']


def classification(width: int = 64) -> dict:
    return {
        'neck': {'type': 'mmpretrain.GlobalAveragePooling'},
        'head': {
            'type': 'mmpretrain.LinearClsHead',
            'num_classes': 3,
            'in_channels': width,
            'loss': {'type': 'mmpretrain.CrossEntropyLoss'},
        },
    }


def classifier(backbone=None, width: int = 64, **kwargs):
    torch.manual_seed(0)
    kwargs = {**classification(width), **kwargs}
    return MODELS.build(
        {
            'type': 'mmcvgssl.AnomalyDistillClassifier',
            'backbone': backbone or RESNET,
            'data_preprocessor': dict(NORM),
            **kwargs,
        }
    )


def simmim(out_indices=(3,), kind: str = 'mmcvgssl.AnomalyDistill', **kwargs):
    torch.manual_seed(0)
    swin = {**SWIN, 'type': 'mmpretrain.SimMIMSwinTransformer'}
    del swin['window_size']
    swin |= {'stage_cfgs': {'block_cfgs': {'window_size': 2}}}
    swin |= {'drop_path_rate': 0.0, 'out_indices': out_indices}
    swin |= kwargs.pop('backbone', {})
    loss = {'type': 'mmpretrain.PixelReconstructionLoss', 'criterion': 'L1'}
    model = MODELS.build(
        {
            'type': kind + 'SimMIM',
            'backbone': swin,
            'neck': {
                'type': 'mmpretrain.SimMIMLinearDecoder',
                'in_channels': 64,
                'encoder_stride': 32,
            },
            'head': {
                'type': 'mmpretrain.SimMIMHead',
                'patch_size': 4,
                'loss': {**loss, 'channel': 3},
            },
            'data_preprocessor': {
                'type': 'mmpretrain.SelfSupDataPreprocessor',
                **NORM,
            },
            **kwargs,
        }
    )
    nn.init.normal_(model.backbone.mask_token)
    return model


def batch(
    seed: int = 0, labels: bool = True, mask_seed: int = 0, side: int = SIDE
) -> dict:
    """Raw images with maps, labels and masks of half of the patches."""
    generator = torch.Generator().manual_seed(seed)
    masks = torch.Generator().manual_seed(mask_seed)
    samples = []
    for i in range(N):
        sample = DataSample()
        heat = torch.rand(1, side, side, generator=generator)
        sample.set_field(heat, 'anomaly_map')
        if labels:
            sample.set_gt_label(i % 3)
        hidden = torch.rand(side // 32, side // 32, generator=masks) < 0.5
        patches = hidden.repeat_interleave(8, 0).repeat_interleave(8, 1)
        sample.set_mask(patches.long())
        samples.append(sample)
    images = torch.randint(
        0,
        256,
        (N, 3, side, side),
        generator=generator,
        dtype=torch.uint8,
    )
    return {'inputs': images, 'data_samples': samples}


def losses(model, data: dict) -> dict[str, Tensor]:
    return model(**model.data_preprocessor(data, True), mode='loss')


def heats(data: dict) -> Tensor:
    return torch.stack([s.anomaly_map for s in data['data_samples']])


# classifier


@pytest.mark.parametrize(('backbone', 'frozen', 'width'), BACKBONES, ids=NAMES)
def test_classifier_losses_are_those_by_hand(backbone, frozen, width):
    model = classifier(backbone, width).eval()
    data = batch()
    got = losses(model, deepcopy(data))
    assert set(got) == {'loss_cls', 'loss_anomaly'}
    feats = model.backbone((data['inputs'].float() - 110) / 32)
    assert [f.ndim for f in feats] == [4, 4]
    assert feats[1].shape[2] == SIDE // 32
    assert feats[0].shape[2] == SIDE // 16
    scores = model.head.fc(feats[-1].mean((2, 3)))
    truth = torch.tensor([i % 3 for i in range(N)])
    expected = 0.1 * F.cross_entropy(scores, truth)
    torch.testing.assert_close(got['loss_cls'], expected)
    torch.testing.assert_close(
        got['loss_anomaly'], activation_distill_loss(feats, heats(data))
    )


@pytest.mark.parametrize(('backbone', 'frozen', 'width'), BACKBONES, ids=NAMES)
def test_stages_are_frozen_before_training_begins(backbone, frozen, width):
    model = classifier(backbone, width)
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    still = {n for n, _ in model.named_parameters()} - {*trained}
    prefixes = tuple(f'backbone.{name}' for name in frozen)
    assert {n for n, _ in model.named_parameters() if n.startswith(prefixes)}
    for prefix in prefixes:
        assert any(name.startswith(prefix) for name in still)
    assert all(name.startswith(prefixes) for name in still)
    model.train()
    before = deepcopy(model.state_dict())
    sum(losses(model, batch()).values()).backward()
    for name, p in trained.items():
        assert bool(p.grad.isfinite().all()), name
        assert p.grad.abs().max() > 0, name
    wrapper = OptimWrapper(torch.optim.SGD(trained.values(), 0.1))
    log = model.train_step(batch(), wrapper)
    for name, value in model.state_dict().items():
        if name.startswith(prefixes):  # running statistics, too
            assert torch.equal(value, before[name]), name
    assert not torch.equal(model.head.fc.weight, before['head.fc.weight'])
    assert set(log) == {'loss', 'loss_cls', 'loss_anomaly'}
    torch.testing.assert_close(
        log['loss'], log['loss_cls'] + log['loss_anomaly']
    )


def test_without_labels_distillation_is_alone():
    model = classifier(neck=None, head=None)
    data = batch(labels=False)
    assert set(losses(model, data)) == {'loss_anomaly'}
    labelled = classifier()
    with pytest.raises(ValueError, match=r'4 of 4 images have no gt_label.*w'):
        losses(labelled, data)


def test_task_weight_and_accuracy():
    head = classification()['head'] | {'cal_acc': True}
    one = losses(classifier(head=head).eval(), batch())
    ten = losses(classifier(head=head, task_weight=1.0).eval(), batch())
    torch.testing.assert_close(ten['loss_cls'], 10 * one['loss_cls'])
    # no loss, so not weighted
    (share,) = one['accuracy_top-1']
    assert ten['accuracy_top-1'] == [share]


def test_the_head_may_be_an_adapter_or_a_module():
    adapter = {
        'type': 'mmcvgssl.AttentionAdapterHead',
        'in_channels': [32, 64],
        'hid_channels': 8,
    }
    model = classifier(distill_head=adapter)
    assert isinstance(model.distill_head, AttentionAdapterHead)
    losses(model, batch())['loss_anomaly'].backward()
    assert all(
        p.grad is not None and bool(p.grad.isfinite().all())
        for p in model.distill_head.parameters()
    )
    head = AnomalyDistillHead(3.0)
    assert classifier(distill_head=head).distill_head is head


def test_predictions_need_no_maps():
    model = classifier().eval()
    data = model.data_preprocessor({'inputs': batch()['inputs']})
    out = model(data['inputs'], [DataSample() for _ in range(N)], 'predict')
    assert [tuple(s.pred_score.shape) for s in out] == [(3,)] * N


def test_activation_moves_to_the_map():
    model = classifier(neck=None, head=None, backbone=RESNET)
    data = batch(labels=False)
    for sample in data['data_samples']:
        heat = torch.zeros(1, SIDE, SIDE)
        heat[:, : SIDE // 2, : SIDE // 2] = 1
        sample.set_field(heat, 'anomaly_map')
    wrapper = OptimWrapper(torch.optim.Adam(model.parameters(), 1e-2))
    model.train()
    seen = [
        float(model.train_step(deepcopy(data), wrapper)['loss'].detach())
        for _ in range(25)
    ]
    assert seen[-1] < 0.3 * seen[0]


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        ({'task_weight': -0.1}, 'task_weight is 0 or more, got -0.1'),
        ({'head': None}, 'a neck without a head'),
        (
            {
                'train_cfg': {
                    'augments': {'type': 'mmpretrain.Mixup', 'alpha': 0.2}
                },
                'data_preprocessor': {**NORM, 'num_classes': 3},
            },
            'mix images without their anomaly maps',
        ),
    ],
)
def test_options_that_contradict_each_other(kwargs, message):
    with pytest.raises(ValueError, match=message):
        classifier(**kwargs)


def test_padded_images_are_refused():
    padding = {**NORM, 'pad_size_divisor': 48}
    with pytest.raises(ValueError, match=r'expected \[1, 96, 96\]'):
        losses(classifier(data_preprocessor=padding), batch())


# SimMIM


def test_simmim_reconstructs_as_its_host_does():
    model, host = simmim(), simmim(kind='mmpretrain.')
    assert isinstance(model, AnomalyDistillSimMIM)
    assert type(host) is SimMIM
    host.load_state_dict(model.state_dict())
    data = batch()
    got, expected = losses(model, data), losses(host, data)
    assert set(got) == {'loss_reconstruction', 'loss_anomaly'}
    torch.testing.assert_close(got['loss_reconstruction'], expected['loss'])


@pytest.mark.parametrize('levels', [(3,), (2, 3), (1, 2, 3)])
def test_simmim_distils_the_whole_image_at_every_level(levels):
    model, last = simmim(levels), simmim()
    first, second = batch(mask_seed=0), batch(mask_seed=1)
    masks = [
        torch.stack([s.mask for s in data['data_samples']])
        for data in (first, second)
    ]
    assert not torch.equal(*masks)
    one, two = losses(model, first), losses(model, second)
    feats = model.backbone((first['inputs'].float() - 110) / 32, None)
    assert len(feats) == len(levels)
    expected = 2 * activation_distill_loss(feats, heats(first))
    torch.testing.assert_close(one['loss_anomaly'], expected)
    torch.testing.assert_close(two['loss_anomaly'], expected)
    assert one['loss_reconstruction'] != two['loss_reconstruction']
    # pixels come from the last level, whatever is distilled
    last.load_state_dict(model.state_dict(), strict=False)
    torch.testing.assert_close(
        losses(last, first)['loss_reconstruction'], one['loss_reconstruction']
    )
    assert model.backbone.out_indices == levels


def test_simmim_trains_what_is_not_frozen():
    model = simmim((2, 3), backbone={'frozen_stages': 0})
    still = {n for n, p in model.named_parameters() if not p.requires_grad}
    assert still
    assert all(
        n.startswith(('backbone.patch_embed', 'backbone.stages.0'))
        for n in still
    )
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    data = batch()
    sum(losses(model, data).values()).backward()
    assert all(bool(p.grad.isfinite().all()) for p in trained)
    wrapper = OptimWrapper(torch.optim.AdamW(trained, 1e-3))
    log = [model.train_step(data, wrapper) for _ in range(8)]
    assert set(log[0]) == {'loss', 'loss_reconstruction', 'loss_anomaly'}
    total = [float(step['loss'].detach()) for step in log]
    assert total[-1] < total[0]


def test_levels_come_back_after_an_error():
    model, data = simmim((2, 3)), batch()
    for sample in data['data_samples']:
        sample.set_mask(torch.ones(3, 3))
    with pytest.raises(RuntimeError):
        losses(model, data)
    assert model.backbone.out_indices == (2, 3)


@pytest.mark.parametrize('build', [classifier, simmim])
def test_stages_of_swin_learn_maps_without_its_output_norm(build):
    found = []
    for norm in ({'norm_cfg': None}, {}):
        if build is simmim:
            model = simmim((2, 3), backbone=norm)
        else:
            model = classifier(SWIN | norm, neck=None, head=None)
        losses(model, batch())['loss_anomaly'].backward()
        found.append(
            max(
                float(p.grad.abs().max())
                for p in model.backbone.stages.parameters()
            )
        )
    plain, normed = found
    # squares of what a LayerNorm gives add up to a constant
    assert plain > 1e-3
    assert normed < 1e-2 * plain


# beside CVGSSL


def cvgssl(distill: bool, **kwargs) -> CVGSSL:
    torch.manual_seed(0)
    model = CVGSSL(
        backbone=deepcopy(RESNET),
        teachers=[FakeTeacher()],
        regression_head={
            'type': 'mmcvgssl.FeatureRegressionHead',
            'in_channels': 64,
        },
        data_preprocessor={
            'type': 'mmpretrain.SelfSupDataPreprocessor',
            **NORM,
        },
        distill_head={'type': 'mmcvgssl.AnomalyDistillHead', 'weight': 0.5}
        if distill
        else None,
        **kwargs,
    )
    return model


def views(sides) -> dict:
    data = batch(side=sides[0])
    inputs = [batch(seed=i, side=s)['inputs'] for i, s in enumerate(sides)]
    return {'inputs': inputs, 'data_samples': data['data_samples']}


@pytest.mark.parametrize('sides', [(64, 64, 64), (64, 32, 32)])
@pytest.mark.parametrize('per_view', [False, True])
def test_cvgssl_distils_the_weak_view(sides, per_view):
    model = cvgssl(True, per_view_bn=per_view)
    plain = cvgssl(False, per_view_bn=per_view)
    plain.load_state_dict(model.state_dict())
    data = views(sides)
    shown = [(v.float() - 110) / 32 for v in data['inputs']]
    together = not per_view and len(set(sides)) == 1
    seen = torch.cat(shown) if together else shown[0]
    feats = [f[:N] for f in deepcopy(model).backbone(seen)]
    expected = 0.5 * activation_distill_loss(feats, heats(data))
    got, without = losses(model, data), losses(plain, data)
    torch.testing.assert_close(got['loss_anomaly'], expected)
    assert set(got) - set(without) == {'loss_anomaly'}
    for name, value in without.items():
        torch.testing.assert_close(got[name], value)
    got['loss_anomaly'].backward()
    assert model.backbone.conv1.weight.grad.abs().max() > 0


def test_cvgssl_mixes_maps_as_images():
    model = cvgssl(True, mixup=1.0)
    data = views((64, 64))
    kept = []
    model.distill_head.loss = lambda feats, maps: kept.append(maps) or {}
    torch.manual_seed(5)
    losses(model, data)
    images = [(v.float() - 110) / 32 for v in data['inputs']]
    torch.manual_seed(5)
    expected = model._mix([*images, heats(data)])[-1]
    torch.testing.assert_close(kept[0], expected)
    assert not torch.equal(kept[0], heats(data))


def test_cvgssl_needs_maps_for_it():
    data = views((64, 64))
    for sample in data['data_samples']:
        del sample.anomaly_map
    assert set(losses(cvgssl(False), data)) == {'loss_regression'}
    with pytest.raises(ValueError, match=r'use mmcvgssl\.AnomalyMapDataset'):
        losses(cvgssl(True), data)


def test_classes_are_registered():
    assert isinstance(classifier(), AnomalyDistillClassifier)
    assert MODELS.get('mmcvgssl.AnomalyDistillSimMIM') is AnomalyDistillSimMIM
