"""Two processes of half a batch learn what one of the whole batch does."""

import os
import socket
import time
from copy import deepcopy
from datetime import timedelta

import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import MODELS as HOST_MODELS
from mmpretrain.models.selfsup import SimCLR
from mmpretrain.structures import DataSample
from torch import distributed as dist
from torch import multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel

import mmcvgssl  # noqa: F401
from mmcvgssl.apis import build_runner
from mmcvgssl.models import (
    CVGSSL,
    AnomalyDistillClassifier,
    AnomalyDistillSimMIM,
    CutPasteClassifier,
)
from mmcvgssl.models.layers import gather_rows, synchronize_batch_norm
from mmcvgssl.models.layers.sync_batch_norm import CPUSyncBatchNorm
from mmcvgssl.processes import on_first_process
from tests.data import FakeTeacher, TinyNet

ROWS, SIDE, WIDTH = 64, 8, 6
ALONE = ('classifier', 'simmim')  # models of one view
NECK = {
    'type': 'mmpretrain.NonLinearNeck',
    'in_channels': WIDTH,
    'hid_channels': 8,
    'out_channels': 7,
    'with_avg_pool': False,
    'norm_cfg': {'type': 'BN1d'},
}
HEAD = {
    'type': 'mmcvgssl.CVGSSLHead',
    'channels': 7,
    'hid_channels': 8,
    'adapter_channels': 9,
    'temperature': 0.2,
    'self_weight': 0.5,
}
REGRESSION = {'type': 'mmcvgssl.FeatureRegressionHead', 'in_channels': WIDTH}


class Labels(nn.Module):
    """A head of classes that pools maps."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(WIDTH, 2)

    def loss(self, feats, data_samples) -> dict:
        labels = torch.tensor([int(s.gt_label) for s in data_samples])
        logits = self.fc(feats[-1].mean((2, 3)))
        return {'loss': nn.functional.cross_entropy(logits, labels)}


def make_cvgssl(**kwargs) -> CVGSSL:
    teachers = [FakeTeacher(), FakeTeacher(4, levels=(0, 1))]
    return CVGSSL(TinyNet(WIDTH), teachers, **kwargs)


def make_simclr() -> SimCLR:
    return SimCLR(
        backbone=TinyNet(WIDTH),
        neck={**NECK, 'with_avg_pool': True},
        head={
            'type': 'mmcvgssl.SimCLRHead',
            'loss': {'type': 'mmpretrain.CrossEntropyLoss'},
            'temperature': 0.2,
        },
    )


def make_simmim() -> AnomalyDistillSimMIM:
    backbone = {
        'type': 'mmpretrain.SimMIMSwinTransformer',
        'arch': {
            'embed_dims': 8,
            'depths': [1, 1],
            'num_heads': [1, 2],
        },
        'img_size': SIDE,
        'stage_cfgs': {'block_cfgs': {'window_size': 2}},
        'pad_small_map': True,
        'drop_path_rate': 0.0,
        'out_indices': (0, 1),
    }
    neck = {
        'type': 'mmpretrain.SimMIMLinearDecoder',
        'in_channels': 16,
        'encoder_stride': 8,
    }
    head = {
        'type': 'mmpretrain.SimMIMHead',
        'patch_size': 4,
        'loss': {
            'type': 'mmpretrain.PixelReconstructionLoss',
            'criterion': 'L1',
            'channel': 3,
        },
    }
    return AnomalyDistillSimMIM(backbone, neck, head)


@HOST_MODELS.register_module(force=True)
class Synchronised(BaseModel):
    """Brings torch's synchronised batch norm, as mmyolo's detectors do."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()
        )
        nn.SyncBatchNorm.convert_sync_batchnorm(self)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        return {'loss': self.layers(inputs).square().mean()}


MODELS = {
    'contrast': lambda: make_cvgssl(neck=NECK, head=HEAD),
    'regression': lambda: make_cvgssl(regression_head=REGRESSION),
    'both': lambda: make_cvgssl(
        neck=NECK, head=HEAD, regression_head=REGRESSION, per_view_bn=True
    ),
    'maps': lambda: make_cvgssl(
        regression_head=REGRESSION,
        distill_head={'type': 'mmcvgssl.AnomalyDistillHead'},
    ),
    'classifier': lambda: AnomalyDistillClassifier(
        TinyNet(WIDTH), head=Labels()
    ),
    'cutpaste': lambda: CutPasteClassifier(TinyNet(WIDTH), WIDTH, 3, [8]),
    'simclr': make_simclr,
    'simmim': make_simmim,
}


def batch(name: str) -> tuple[list, list]:
    """Return views [ROWS, 3, SIDE, SIDE] and data samples."""
    generator = torch.Generator().manual_seed(1)

    def draw(*shape):
        return torch.randn(*shape, generator=generator)

    # without a preprocessor, teachers divide by 255
    views = [255 * draw(ROWS, 3, SIDE, SIDE) for _ in range(3)]
    samples = []
    for i in range(ROWS):
        sample = DataSample().set_gt_label(i % 2)
        sample.view_labels = torch.arange(3).numpy()
        sample.anomaly_map = draw(1, SIDE, SIDE).abs()
        # as many hidden patches in each half: losses are means over them
        hidden = draw((SIDE // 4) ** 2).argsort() < 2
        sample.mask = hidden.view(SIDE // 4, -1).long()
        samples.append(sample)
    count = {**dict.fromkeys(ALONE, 1), 'simclr': 2}.get(name, 3)
    return views[:count], samples


def build(name: str) -> nn.Module:
    torch.manual_seed(0)
    model = MODELS[name]().train()
    model.requires_grad_(True)
    if name == 'simmim':
        nn.init.normal_(model.backbone.mask_token)
    return model


def learn(model, name: str, first: int, last: int) -> dict:
    """Take losses, gradients and statistics of some rows of the batch."""
    views, samples = batch(name)
    part = [view[first:last] for view in views]
    inputs = part[0] if name in ALONE else part
    losses = model(inputs, samples[first:last], mode='loss')
    sum(v for k, v in losses.items() if 'loss' in k).backward()
    inner = getattr(model, 'module', model)
    return {
        'losses': {k: v.detach() for k, v in losses.items()},
        'gradients': {k: p.grad for k, p in inner.named_parameters()},
        'buffers': {
            k: b.clone() for k, b in inner.named_buffers() if 'running' in k
        },
    }


def learn_built(out: str, launcher: str, first: int, count: int) -> dict:
    """Take gradients and statistics of a model that a runner holds."""
    cfg = {
        'model': {'type': 'Synchronised'},
        'work_dir': f'{out}/{first}_{count}',
        'experiment_name': f'{first}_{count}',
        'launcher': launcher,
        'default_scope': 'mmpretrain',
        'env_cfg': {},
        'randomness': {'seed': 0},
        'log_level': 'ERROR',
    }
    model = build_runner(Config(cfg), settled=True).model.train()
    views, _ = batch('built')
    model(views[0][first : first + count])['loss'].backward()
    inner = getattr(model, 'module', model)
    return {
        'norm': type(inner.layers[1]).__name__,
        'gradients': {k: p.grad for k, p in inner.named_parameters()},
        'buffers': {k: b.clone() for k, b in inner.named_buffers()},
    }


class Odd(Exception):
    """Cannot be sent as it is."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f'{one} of {two}')


def slow() -> str:
    # longer than the processes' own timeout
    time.sleep(6)
    return f'rank {dist.get_rank()}'


def refuse() -> None:
    raise FileNotFoundError('no list')


def refuse_oddly() -> None:
    raise Odd(3, 4)


def process(rank: int, port: int, out: str) -> None:
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    os.environ.update(RANK=str(rank), WORLD_SIZE='2', LOCAL_RANK=str(rank))
    torch.set_num_threads(1)
    dist.init_process_group('gloo', timeout=timedelta(seconds=4))
    half, found = ROWS // 2, {}
    for name in MODELS:
        model = synchronize_batch_norm(build(name))
        unused = name in ('contrast', 'regression')
        model = DistributedDataParallel(
            model, broadcast_buffers=False, find_unused_parameters=unused
        )
        found[name] = learn(model, name, rank * half, (rank + 1) * half)
    found['built'] = learn_built(out, 'pytorch', rank * half, half)
    try:
        gather_rows(torch.zeros(3 + rank, 2))
    except ValueError as error:
        found['uneven'] = str(error)
    found['shared'] = on_first_process(slow)
    found['errors'] = []
    for work in (refuse, refuse_oddly):
        try:
            on_first_process(work)
        except (OSError, RuntimeError, Odd) as error:
            found['errors'].append((type(error).__name__, str(error)))
    found['after'] = on_first_process(lambda: 'well')
    torch.save(found, f'{out}/{rank}.pt')
    dist.destroy_process_group()


@pytest.fixture(scope='module')
def halves(tmp_path_factory) -> list[dict]:
    """What two processes of 32 images find, for each model."""
    out = tmp_path_factory.mktemp('processes')
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        port = sock.getsockname()[1]
    multiprocessing.spawn(process, (port, str(out)), nprocs=2)
    return [torch.load(out / f'{rank}.pt') for rank in (0, 1)]


@pytest.mark.parametrize('name', MODELS)
def test_two_processes_of_32_are_one_of_64(halves, name):
    whole = learn(build(name), name, 0, ROWS)
    one, two = (half[name] for half in halves)
    mean = {k: (v + two['losses'][k]) / 2 for k, v in one['losses'].items()}
    close = {'rtol': 1e-5, 'atol': 1e-5}
    torch.testing.assert_close(mean, whole['losses'], **close)
    for half in (one, two):
        for part in ('gradients', 'buffers'):
            torch.testing.assert_close(half[part], whole[part], **close)
    # what compares images sees all of them in each process
    for key in ('loss_distill', 'loss_contrast', 'loss_self'):
        if key in whole['losses']:
            for half in (one, two):
                torch.testing.assert_close(
                    half['losses'][key], whole['losses'][key], **close
                )
    assert max(g.abs().max() for g in whole['gradients'].values()) > 1e-3


def test_a_model_with_synchronised_norms_is_built_for_cpus(halves, tmp_path):
    whole = learn_built(str(tmp_path), 'none', 0, ROWS)
    assert whole['norm'] == '_BatchNormXd'  # the host's, for one process
    for half in halves:
        assert half['built']['norm'] == 'CPUSyncBatchNorm'
        for part in ('gradients', 'buffers'):
            torch.testing.assert_close(
                half['built'][part], whole[part], rtol=1e-5, atol=1e-5
            )


def test_uneven_processes_are_refused(halves):
    for half in halves:
        assert 'as many images in each process, got [3, 4]' in half['uneven']


def test_the_others_wait_longer_than_their_timeout(halves):
    for half in halves:
        assert half['shared'] == 'rank 0'
        assert half['after'] == 'well'


def test_an_error_of_the_first_process_is_that_of_all(halves):
    first, second = (half['errors'] for half in halves)
    assert first == [('FileNotFoundError', 'no list'), ('Odd', '3 of 4')]
    assert second == [first[0], ('RuntimeError', 'Odd: 3 of 4')]


def test_one_process_does_its_work_itself():
    assert on_first_process(lambda: 3) == 3
    with pytest.raises(Odd):
        on_first_process(refuse_oddly)


def test_one_process_gathers_nothing():
    rows = torch.rand(3, 2)
    assert gather_rows(rows) is rows


@pytest.mark.parametrize('momentum', [0.1, None])
@pytest.mark.parametrize('shape', [(6, 4), (6, 4, 3, 5)])
def test_a_synchronised_norm_alone_is_the_plain_one(shape, momentum):
    kind = nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d
    plain = kind(4, momentum=momentum)
    nn.init.uniform_(plain.weight)
    other = synchronize_batch_norm(nn.Sequential(deepcopy(plain)))
    assert isinstance(other[0], CPUSyncBatchNorm)
    for mode in (True, True, False):
        x = torch.randn(shape)
        plain.train(mode)
        other.train(mode)
        torch.testing.assert_close(other(x), plain(x))
        # the same in the arithmetic of several processes
        if mode:
            twin = CPUSyncBatchNorm(deepcopy(plain))
            torch.testing.assert_close(twin._over_all(x), plain(x))
            torch.testing.assert_close(
                twin.running_var, plain.running_var, rtol=1e-5, atol=1e-6
            )
            other[0].load_state_dict(plain.state_dict())
    assert dict(other[0].state_dict()).keys() == plain.state_dict().keys()
    with pytest.raises(ValueError, match='takes'):
        other(torch.zeros(4))


def test_what_stands_behind_a_norm_stays():
    import timm

    model = timm.create_model('test_efficientnet').train()
    twin = synchronize_batch_norm(deepcopy(model))
    x = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(twin(x), model(x))
    assert twin.state_dict().keys() == model.state_dict().keys()
    norms = [m for m in twin.modules() if isinstance(m, CPUSyncBatchNorm)]
    plain = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == len(plain) > 3
