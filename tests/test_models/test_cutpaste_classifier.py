"""The classifier of CutPaste views, and its backbone frozen at first."""

import uuid
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from mmengine.dataset import default_collate
from mmengine.logging import MMLogger
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from mmpretrain.structures import DataSample
from torch import nn

import mmcvgssl  # noqa: F401
from mmcvgssl.datasets import SurfaceImages
from mmcvgssl.engine.unfreeze_hook import UnfreezeHook
from mmcvgssl.models.layers import global_pool
from mmcvgssl.models.selfsup import CutPasteClassifier
from mmcvgssl.registry import MODELS
from tests.data import TinyNet, write_images

WIDTH = 6  # of TinyNet
RESNET = {'type': 'mmpretrain.ResNet', 'depth': 18, 'base_channels': 8}
RESNET |= {'stem_channels': 8}
PREPROCESSOR = {
    'type': 'mmpretrain.SelfSupDataPreprocessor',
    'mean': [127.5] * 3,
    'std': [60.0] * 3,
}


def make(classes: int = 3, **kwargs) -> CutPasteClassifier:
    torch.manual_seed(0)
    options = {'backbone': TinyNet(WIDTH), 'in_channels': WIDTH, **kwargs}
    return CutPasteClassifier(num_classes=classes, **options)


def samples(n: int, labels=(0, 1, 2)) -> list[DataSample]:
    made = [DataSample() for _ in range(n)]
    for sample in made:
        sample.set_field(np.array(labels), 'view_labels')
    return made


def views(n: int = 4, count: int = 3, side: int = 16) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [
        torch.randn(n, 3, side, side, generator=generator)
        for _ in range(count)
    ]


@pytest.mark.parametrize('count', [1, 2])
def test_the_head_is_that_of_the_method(count):
    config = {'type': 'mmcvgssl.CutPasteClassifier', 'in_channels': 64}
    config |= {'backbone': RESNET, 'mid_channels': [512] * count + [128]}
    model = MODELS.build(config)
    kinds = [type(m) for m in model.head.modules() if not list(m.children())]
    hidden = [nn.Linear, nn.BatchNorm1d, nn.ReLU]
    assert [k for k in kinds if k in [*hidden, nn.Linear]] == (
        hidden * (count + 1) + [nn.Linear]
    )
    shapes = [tuple(x.fc.weight.shape) for x in model.head.layers]
    first = [(512, 64)] + [(512, 512)] * (count - 1)
    assert shapes == [*first, (128, 512), (3, 128)]
    assert model.head.layers[0].fc is not model.head.fc


def test_keys_of_the_backbone_are_the_hosts():
    plain = MODELS.build(RESNET).state_dict()
    state = make(backbone=RESNET, in_channels=64).state_dict()
    prefix = 'backbone.'
    own = [k.removeprefix(prefix) for k in state if k.startswith(prefix)]
    assert own == list(plain)
    rest = {k.split('.')[0] for k in state if not k.startswith(prefix)}
    assert rest == {'head'}


@pytest.mark.parametrize('classes', [2, 3])
def test_the_loss_is_that_computed_image_by_image(classes):
    model = make(classes).eval()
    inputs = views(count=classes)
    with torch.no_grad():  # an offset of all classes changes nothing
        model.head.fc.fc.bias -= 10
    out = model(inputs, samples(4, range(classes)), mode='loss')
    terms, right = [], []
    for label, view in enumerate(inputs):
        for image in view:
            feature = model.backbone(image[None])[0].mean((2, 3))
            for layer in model.head.layers:
                feature = layer(feature)
            terms.append(-F.log_softmax(feature, 1)[0, label])
            right.append(int(feature.argmax()) == label)
    assert set(out) == {'loss_cutpaste', 'accuracy'}
    mean = torch.stack(terms).mean()
    torch.testing.assert_close(out['loss_cutpaste'], mean)
    assert float(out['accuracy']) == pytest.approx(100 * np.mean(right))
    assert not out['accuracy'].requires_grad


def test_labels_are_those_of_the_samples():
    model = make().eval()
    inputs = views()
    turned = [inputs[i] for i in (2, 0, 1)]
    one = model(inputs, samples(4), mode='loss')
    other = model(turned, samples(4, (2, 0, 1)), mode='loss')
    torch.testing.assert_close(one, other)


def test_all_views_share_one_batch():
    model = make().train()
    model(views(), samples(4), mode='loss')
    assert [len(x) for x in model.backbone.seen] == [12]
    assert int(model.backbone.bn.num_batches_tracked) == 1


@pytest.mark.parametrize(
    ('config', 'width'),
    [
        (RESNET, 64),
        (
            {'type': 'mmpretrain.VisionTransformer', 'arch': 'deit-tiny'}
            | {'img_size': 32, 'patch_size': 16},
            192,
        ),
    ],
)
def test_embeddings_are_pooled_features(config, width):
    model = make(backbone=config, in_channels=width).eval()
    images = views(side=32)[0]
    out = model.extract_embedding(images)
    assert out.shape == (4, width)
    torch.testing.assert_close(out, global_pool(model.backbone(images)))
    torch.testing.assert_close(global_pool(model(images, mode='tensor')), out)


@pytest.mark.parametrize(
    ('classes', 'count', 'labels', 'message'),
    [
        (3, 2, (0, 1), r'num_classes=3.*\[0, 1\].*CutPaste3Way'),
        (2, 3, (0, 1, 2), r'num_classes=2.*3 views.*\[0, 1, 2\]'),
        (3, 2, (0, 1, 2), '2 views'),
        (3, 3, None, 'algorithm_keys'),
    ],
)
def test_views_of_another_kind_are_refused(classes, count, labels, message):
    made = [DataSample()] * 4 if labels is None else samples(4, labels)
    with pytest.raises(ValueError, match=message):
        make(classes)(views(count=count), made, mode='loss')


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [({'classes': 1}, 'got 1'), ({'mid_channels': ()}, 'mid_channels')],
)
def test_options_without_sense_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        make(**kwargs)


def pipeline(kind: str, **options) -> list[dict]:
    return [
        {'type': 'mmcvgssl.LoadImage'},
        {'type': f'mmcvgssl.{kind}', **options},
        {'type': 'mmpretrain.PackInputs', 'algorithm_keys': ['view_labels']},
    ]


def runner(folder, hooks=(), backbone=None, epochs=3, **kwargs) -> Runner:
    """Two iterations of four pictures an epoch."""
    data = folder / 'images'
    if not data.is_dir():
        write_images(data, 8, side=32)
    return Runner(
        model={
            'type': 'mmcvgssl.CutPasteClassifier',
            'backbone': backbone or RESNET,
            'in_channels': 64,
            'mid_channels': [16, 8],
            'data_preprocessor': PREPROCESSOR,
        },
        work_dir=str(folder / 'work'),
        train_dataloader={
            'batch_size': 4,
            'num_workers': 0,
            'sampler': {'type': 'DefaultSampler', 'shuffle': True},
            'collate_fn': {'type': 'default_collate'},
            'dataset': {
                'type': 'mmcvgssl.SurfaceImages',
                'data_root': str(data),
                'pipeline': pipeline('CutPaste3Way'),
            },
        },
        train_cfg={'by_epoch': True, 'max_epochs': epochs},
        optim_wrapper={
            'optimizer': {'type': 'SGD', 'lr': 0.03, 'momentum': 0.9}
            | {'weight_decay': 3e-5}
        },
        default_hooks={'logger': {'type': 'LoggerHook', 'interval': 1}},
        custom_hooks=[{'type': 'mmcvgssl.EpochSeedHook'}, *hooks],
        randomness={'seed': 0},
        default_scope='mmpretrain',
        experiment_name=uuid.uuid4().hex,
        log_level='WARNING',
        **kwargs,
    )


RECTANGLE = {'area': (0.3, 0.4), 'patch_jitter': 0.8}
SCAR = {'side': 64, 'patch_jitter': 0.8}  # four times as large


@pytest.mark.parametrize(
    ('kind', 'options', 'classes', 'epochs'),
    [
        ('CutPaste', RECTANGLE, 2, 50),
        ('CutPaste3Way', {'rectangle': RECTANGLE, 'scar': SCAR}, 3, 110),
    ],
)
def test_it_learns_to_tell_views_apart(
    tmp_path, kind, options, classes, epochs
):
    write_images(tmp_path, 8, side=32)
    data_set = SurfaceImages(
        data_root=str(tmp_path), pipeline=pipeline(kind, **options)
    )
    model = make(
        classes,
        backbone=TinyNet(16),
        in_channels=16,
        mid_channels=[32, 16],
        data_preprocessor=dict(PREPROCESSOR),
    ).train()
    adam = torch.optim.Adam(model.parameters(), lr=0.01)
    losses, right = [], []
    for epoch in range(epochs):
        data_set.set_epoch(epoch)
        batch = default_collate([data_set[i] for i in range(8)])
        log = model.train_step(batch, OptimWrapper(adam))
        losses.append(log['loss_cutpaste'].item())
        right.append(log['accuracy'].item())
    assert np.mean(losses[:5]) > 0.55
    assert np.mean(losses[-20:]) < 0.8 * np.mean(losses[:5])
    assert np.mean(right[-20:]) > 100 / classes + 15


class Record(UnfreezeHook):
    """Keep weights and statistics after every iteration."""

    priority = 'LOW'

    def __init__(self) -> None:
        super().__init__(iters=0)
        self.states: dict[int, dict] = {}

    def after_train_iter(self, runner, batch_idx, data_batch, outputs):
        state = runner.model.state_dict()
        copy = {k: v.clone() for k, v in state.items()}
        self.states[runner.iter] = copy


def moved(record: Record, part: str) -> list[int]:
    """Iterations, from the second, in which anything of a part changed."""
    keys = [k for k in record.states[1] if k.startswith(part)]
    steps = sorted(record.states)
    return [
        b
        for a, b in pairwise(steps)
        if any(
            not torch.equal(record.states[a][k], record.states[b][k])
            for k in keys
        )
    ]


def recorded(folder, hook=None, **kwargs) -> tuple[Record, Runner]:
    record = Record()
    made = runner(folder, hooks=[hook] if hook else [], **kwargs)
    made.register_hook(record)
    made.train()
    return record, made


@pytest.mark.parametrize('length', [{'iters': 3}, {'epochs': 2}])
def test_the_backbone_is_frozen_at_first(tmp_path, length):
    hook = {'type': 'mmcvgssl.UnfreezeHook', **length}
    record, made = recorded(tmp_path, hook)
    first = 3 if 'iters' in length else 4
    assert moved(record, 'backbone.') == list(range(first, 6))
    assert moved(record, 'backbone.bn1.running_mean') == list(range(first, 6))
    assert moved(record, 'head.') == [1, 2, 3, 4, 5]
    assert all(p.requires_grad for p in made.model.parameters())


@pytest.mark.parametrize('epoch', [1, 2])
def test_a_resumed_run_goes_on_as_it_would_have(tmp_path, epoch):
    hook = {'type': 'mmcvgssl.UnfreezeHook', 'iters': 3}
    whole, _ = recorded(tmp_path / 'whole', hook)
    recorded(tmp_path / 'part', hook, epochs=epoch)
    rest, made = recorded(tmp_path / 'part', hook, resume=True)
    assert sorted(rest.states) == list(range(2 * epoch, 6))
    assert made.iter == 6
    for key, value in whole.states[5].items():
        assert torch.equal(rest.states[5][key], value), key


def test_what_the_host_freezes_stays_frozen_and_new_blocks_learn(tmp_path):
    name = 'layer4.1.conv2'
    backbone = {
        'type': 'mmcvgssl.WithSSPCAB',
        'backbone': {**RESNET, 'frozen_stages': 1},
        'layers': name,
    }
    hook = {'type': 'mmcvgssl.UnfreezeHook', 'iters': 3}
    hook |= {'keep': f'backbone.{name}'}
    record, made = recorded(tmp_path, hook, backbone=backbone)
    assert moved(record, f'backbone.{name}') == [1, 2, 3, 4, 5]
    assert moved(record, 'backbone.layer4.1.conv1') == [3, 4, 5]
    assert moved(record, 'backbone.layer4.1.bn2') == [3, 4, 5]
    assert moved(record, 'backbone.layer1.') == []
    net = made.model.backbone
    assert not any(p.requires_grad for p in net.layer1.parameters())
    assert not net.layer1[0].bn1.training
    assert net.layer2[0].bn1.training


def test_a_run_that_ends_early_leaves_nothing_frozen(tmp_path):
    hook = {'type': 'mmcvgssl.UnfreezeHook', 'iters': 100}
    record, made = recorded(tmp_path, hook, epochs=1)
    assert moved(record, 'backbone.') == []
    assert all(p.requires_grad for p in made.model.parameters())
    assert made.model.backbone.bn1.training


@pytest.mark.parametrize(
    'kwargs',
    [{}, {'iters': 1, 'epochs': 1}, {'iters': -1}, {'epochs': -2}],
)
def test_the_length_is_given_once(kwargs):
    with pytest.raises(ValueError, match='`iters` or `epochs`'):
        UnfreezeHook(**kwargs)


def fake(model) -> SimpleNamespace:
    logger = MMLogger.get_current_instance()
    return SimpleNamespace(model=model, iter=0, epoch=0, logger=logger)


@pytest.mark.parametrize(
    'names', [{'modules': 'stem'}, {'keep': ['backbone.stem']}]
)
def test_parts_that_are_missing_are_named(names):
    hook = UnfreezeHook(iters=1, **names)
    with pytest.raises(ValueError, match=r'stem.*backbone, head'):
        hook.before_train(fake(make()))


@pytest.mark.parametrize('find_unused', [False, True])
def test_ddp_needs_to_know_of_unused_weights(tmp_path, find_unused):
    dist.init_process_group(
        'gloo', init_method=f'file://{tmp_path}/store', rank=0, world_size=1
    )
    try:
        model = MMDistributedDataParallel(
            make(), find_unused_parameters=find_unused
        )
        hook, made = UnfreezeHook(iters=2), fake(model)
        if not find_unused:
            with pytest.raises(ValueError, match='find_unused_parameters'):
                hook.before_train(made)
            made.iter = 2  # of a run that goes on
            hook.before_train(made)
            return
        hook.before_train(made)
        optim = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
        data = {'inputs': views(), 'data_samples': samples(4)}
        seen = []
        for made.iter in range(4):
            model.train()
            hook.before_train_iter(made, 0)
            model.train_step(data, optim)
            seen.append(model.module.backbone.conv1.weight.detach().clone())
        same = [torch.equal(a, b) for a, b in pairwise(seen)]
        assert same == [True, False, False]
    finally:
        dist.destroy_process_group()
