"""One-class detectors: densities, thresholds, maps and fitted states."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from sklearn.covariance import ledoit_wolf
from sklearn.neighbors import KernelDensity as SklearnKernelDensity
from torch import nn

from mmcvgssl.evaluation.operating_point import operating_point
from mmcvgssl.models.anomaly import FittedStateError
from mmcvgssl.models.anomaly.blocks import place_in_block
from mmcvgssl.models.anomaly.density import (
    Gaussian,
    make_density,
    score_rows,
)
from mmcvgssl.models.anomaly.one_class_detector import OneClassDetector
from mmcvgssl.models.anomaly.patch_grid import PatchGrid
from mmcvgssl.models.backbones import TimmBackbone
from mmcvgssl.models.classifiers import Embedder
from mmcvgssl.models.teachers import TimmTeacher
from mmcvgssl.weights import KeyMismatchError

RESNET = {
    'type': 'mmpretrain.ResNet',
    'depth': 18,
    'base_channels': 4,
    'stem_channels': 4,
}
SIDE = 64


def rows(n: int, width: int, seed: int = 0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(n, width, generator=random)


def batches(count: int = 20, size: int = 6, side: int = SIDE) -> list[dict]:
    random = torch.Generator().manual_seed(1)
    images = [
        torch.randint(0, 255, (3, side, side), generator=random).byte()
        for _ in range(count)
    ]
    return [{'inputs': images[i : i + size]} for i in range(0, count, size)]


def make(**kwargs) -> OneClassDetector:
    torch.manual_seed(0)
    return OneClassDetector(**{'backbone': dict(RESNET), **kwargs})


def fitted(count: int = 20, **kwargs) -> OneClassDetector:
    model = make(**{'false_alarm_rate': 0.1, **kwargs})
    model.fit(batches(count))
    return model


class Mean(nn.Module):
    """A backbone of colours: places of 8 px, so that all can be checked."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))

    def forward(self, x):
        return (self.scale * F.avg_pool2d(x, 8),)


# densities


@pytest.mark.parametrize('n', [5, 40])
def test_gaussian_is_mahalanobis_with_ledoit_wolf(n):
    known, asked = rows(n, 8).double(), rows(4, 8, 1)
    covariance, _ = ledoit_wolf(known.numpy())
    centred = asked.double().numpy() - known.mean(0).numpy()
    inverse = np.linalg.inv(covariance)
    expected = np.sqrt([c @ inverse @ c for c in centred])
    density = Gaussian()
    got = density.score(asked, density.fit(known.float()))
    assert got.numpy() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize('bandwidth', [1.0, 0.3])
def test_kde_is_that_of_scikit_learn(bandwidth):
    known, asked = rows(30, 5), rows(4, 5, 1)
    theirs = SklearnKernelDensity(bandwidth=bandwidth).fit(known.numpy())
    density = make_density('kde', bandwidth)
    got = density.score(asked, density.fit(known))
    assert got.numpy() == pytest.approx(
        -theirs.score_samples(asked.numpy()), rel=1e-4
    )


@pytest.mark.parametrize('name', ['gaussian', 'kde'])
def test_constant_features_score_what_differs(name):
    known = torch.ones(6, 4)
    known[:, 0] = rows(6, 1)[:, 0]
    density = make_density(name)
    for values in (known, torch.ones(6, 4)):
        state = density.fit(values)
        same, other = density.score(
            torch.stack([values.mean(0), values.mean(0) + 5]), state
        )
        assert torch.isfinite(other)
        assert other > same


@pytest.mark.parametrize('name', ['gaussian', 'kde'])
@pytest.mark.parametrize(
    ('values', 'message'),
    [
        (torch.ones(1, 4), 'at least 2 good images'),
        (torch.full((3, 4), torch.nan), 'NaN or infinity in the features of'),
    ],
)
def test_what_cannot_be_fitted_is_named(name, values, message):
    with pytest.raises(ValueError, match=message):
        make_density(name).fit(values)


# threshold


def test_threshold_comes_from_images_that_the_density_has_not_seen():
    model = fitted(folds=4)
    images = torch.stack([i for b in batches() for i in b['inputs']])
    data = model.data_preprocessor({'inputs': list(images)})
    embedded = model.embed(data['inputs'])[:, 0]
    scores, peaks = torch.zeros(20), torch.zeros(20)
    for k in range(4):
        content = torch.tensor([place_in_block(i, 4) == k for i in range(20)])
        state = model.density.fit(embedded[~content])
        scores[content] = model.density.score(embedded[content], state)
        other = make()
        other.state = {**state, 'centre': model.state['centre']}
        maps, _ = other.predict_maps(data['inputs'][content])
        peaks[content] = maps.flatten(1).amax(1)
    point = operating_point(scores.double().numpy(), 0.1)
    assert model.threshold == pytest.approx(point.threshold, rel=1e-4)
    assert model.map_threshold == pytest.approx(
        float(peaks.quantile(0.95)), rel=1e-4
    )
    assert model.operating_point.n == 20
    assert model.operating_point.interval == pytest.approx(point.interval)
    # those that it has seen score lower
    own = model.density.score(embedded, model.state)
    assert own.mean() < scores.mean()


def test_threshold_is_optional_and_can_be_set():
    model = fitted(false_alarm_rate=None)
    assert model.threshold is None
    assert model.map_threshold > 0
    with pytest.raises(ValueError, match='needs a false_alarm_rate'):
        model.set_threshold(torch.ones(40))
    model = fitted()
    model.set_threshold(torch.arange(99.0))
    assert model.threshold == 89
    with pytest.raises(ValueError, match='needs at least 9 good images'):
        fitted(count=6)


@pytest.mark.parametrize(
    'options',
    [
        {'folds': 1},
        {'density': 'forest'},
        {'bandwidth': 0, 'density': 'kde'},
        {'patch': {'size': 0}},
        {'patch': {}, 'density': 'kde'},
        {'mean': [1, 2]},
        {'std': [1, 0, 1]},
    ],
)
def test_bad_options_are_refused(options):
    with pytest.raises(ValueError, match=r'got|positive'):
        make(**options)


def test_diverged_weights_are_named():
    model = OneClassDetector(Mean(float('nan')))
    with pytest.raises(ValueError, match='training may have diverged'):
        model.fit(batches(4))


# maps


@pytest.mark.parametrize(
    'density', [{}, {'density': 'kde', 'bandwidth': 0.5}], ids=str
)
def test_map_is_the_gradient_of_the_score(density):
    model = OneClassDetector(
        Mean(), false_alarm_rate=None, mean=[0] * 3, **density
    )
    model.fit(batches())
    image = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator())
    with torch.inference_mode():
        maps, scores = model(image)
    (last,) = model.backbone(image * 255 / model.std)
    last = last.detach().requires_grad_()
    pooled = last.mean((2, 3))
    score = model.density.score(F.normalize(pooled), model.state)
    (slope,) = torch.autograd.grad(score.sum(), last)
    assert scores.item() == pytest.approx(score.item(), rel=1e-5)
    excess = last - model.state['centre'][:, None, None]
    expected = (slope * 64 * excess).sum(1).clamp(min=0)
    assert maps.shape == (1, 8, 8)
    assert torch.allclose(maps, expected, atol=1e-5)
    assert maps.max() > 0


def test_patches_are_scored_one_by_one():
    options = {'size': 16, 'stride': 12, 'sigma': 4.0}
    model = fitted(patch=options)
    image = torch.rand(2, 3, SIDE, SIDE)
    maps, scores = model(image)
    assert torch.equal(scores, maps.flatten(1).amax(1))
    plain = make(false_alarm_rate=None)
    plain.load_state_dict(model.state_dict(), strict=False)
    grid = torch.zeros(2, 5, 5)
    for i in range(5):
        for j in range(5):
            y, x = 12 * i, 12 * j
            patch = image[..., y : y + 16, x : x + 16]
            row = plain.embed(patch)[:, 0]
            grid[:, i, j] = model.density.score(row, model.state)
    expected = torch.zeros(2, 5, 5)
    for i, y in enumerate(np.linspace(0, 63, 5)):
        for j, x in enumerate(np.linspace(0, 63, 5)):
            weight = torch.zeros(5, 5)
            for a in range(5):
                for b in range(5):
                    square = (y - 12 * a - 7.5) ** 2 + (x - 12 * b - 7.5) ** 2
                    weight[a, b] = np.exp(-square / 32)
            weight /= weight.sum()
            expected[:, i, j] = (grid * weight).sum((1, 2))
    assert torch.allclose(maps, expected, rtol=1e-3)


def test_each_place_may_have_its_gaussian():
    options = {'size': 32, 'stride': 32, 'shared': False}
    model = fitted(patch=options)
    assert model.state['mean'].shape[0] == 4
    images = [i for b in batches() for i in b['inputs']]
    data = model.data_preprocessor({'inputs': images})['inputs']
    known = model.embed(data)
    asked = model.embed(torch.rand(1, 3, SIDE, SIDE))
    got = score_rows(model.density, asked, model.state, by_position=True)
    for place in range(4):
        state = model.density.fit(known[:, place])
        expected = model.density.score(asked[:, place], state)
        assert torch.allclose(got[:, place], expected, rtol=1e-3)
    with pytest.raises(ValueError, match='those of 4 positions'):
        model(torch.rand(1, 3, 96, 96))


def test_small_images_have_no_patch():
    with pytest.raises(ValueError, match='smaller than patches of 64'):
        PatchGrid().cut(torch.zeros(1, 3, 40, 64))


def test_even_scores_stay_even_up_to_the_border():
    maps = PatchGrid(16, 8).smooth(torch.full((1, 7, 5), 3.0), 64, 48)
    assert maps.shape == (1, 8, 6)
    assert torch.allclose(maps, torch.tensor(3.0))


# files


def test_a_state_of_other_weights_or_settings_is_refused(tmp_path):
    path = tmp_path / 'model.safetensors'
    model = fitted()
    model.save_fitted(path)
    make(false_alarm_rate=0.1).load_fitted(path)
    with pytest.raises(FittedStateError, match='density'):
        make(false_alarm_rate=0.1, density='kde').load_fitted(path)
    torch.manual_seed(5)
    other = OneClassDetector(dict(RESNET), false_alarm_rate=0.1)
    with pytest.raises(FittedStateError, match='weights'):
        other.load_fitted(path)


def test_a_checkpoint_gives_the_backbone(tmp_path):
    torch.manual_seed(3)
    net = make().backbone
    state = {f'backbone.{k}': v + 1 for k, v in net.state_dict().items()}
    path = tmp_path / 'epoch_1.pth'
    torch.save({'state_dict': {**state, 'head.x': torch.ones(1)}}, path)
    model = make(checkpoint=str(path))
    for key, value in model.backbone.state_dict().items():
        assert torch.equal(value, state[f'backbone.{key}'])
    with pytest.raises(KeyMismatchError, match='do not fit'):
        make(backbone={**RESNET, 'base_channels': 8}, checkpoint=str(path))


def test_a_state_is_plain_tensors_and_text(tmp_path):
    path = tmp_path / 'fitted.safetensors'
    model = fitted()
    model.save_fitted(path)
    content = load_file(path)
    assert {key.split('.')[0] for key in content} == {'state'}
    assert json.loads(json.dumps(model.settings)) == model.settings


# backbones


@pytest.mark.parametrize('keep', [True, False])
def test_batch_norms_can_keep_their_statistics(keep):
    net = TimmBackbone('test_resnet', norm_eval=keep).train()
    start = {name: each.clone() for name, each in net.named_buffers()}
    net(torch.randn(2, 3, 32, 32))[0].sum().backward()
    means = [n for n in start if n.endswith('running_mean')]
    same = [bool((start[n] == net.get_buffer(n)).all()) for n in means]
    assert means
    assert all(same) if keep else not any(same)
    assert net.training
    assert all(p.grad is not None for p in net.parameters())


@pytest.mark.parametrize(
    ('name', 'level', 'last'),
    [
        ('test_resnet', -1, None),
        ('test_resnet', 1, 'layer1'),
        ('tf_efficientnet_lite0', 0, 'blocks.0'),
        ('tf_efficientnet_lite0', 4, 'blocks.6'),
        ('test_vit', 0, 'blocks.0'),
    ],
)
@pytest.mark.parametrize('features_only', [True, False])
def test_levels_can_be_frozen(name, level, last, features_only):
    net = TimmBackbone(name, frozen_stages=level, features_only=features_only)
    frozen = [
        n for n, p in net.timm_model.named_parameters() if not p.requires_grad
    ]
    names = [n for n, _ in net.timm_model.named_parameters()]
    assert frozen == names[: len(frozen)]
    if last is None:
        assert not frozen
        return
    assert last in frozen[-1]
    assert not any(last in name for name in names[len(frozen) :])
    net.train()
    for norm in net.modules():
        if isinstance(norm, nn.BatchNorm2d):
            assert norm.training == norm.weight.requires_grad


def test_a_level_that_is_not_there_cannot_be_frozen():
    with pytest.raises(ValueError, match='from -1 to 4, got 5'):
        TimmBackbone('tf_efficientnet_lite0', frozen_stages=5)


def test_timm_backbone_is_the_teacher(tmp_path):
    net = TimmBackbone('tf_efficientnet_lite0', 'package:efficientnet-lite0')
    before = net.timm_model.conv_head.weight.clone()
    net.init_weights()
    assert not torch.equal(before, net.timm_model.conv_head.weight)
    teacher = TimmTeacher(weights='package:efficientnet-lite0', input_size=32)
    image = torch.rand(2, 3, 32, 32)
    net.eval()
    with torch.no_grad():
        (last,) = net((image - teacher.mean) / teacher.std)
    assert torch.allclose(last.mean((2, 3)), teacher(image), atol=1e-4)
    wrong = TimmBackbone('test_resnet', str(tmp_path / 'w.safetensors'))
    with pytest.raises(FileNotFoundError, match='found no such file'):
        wrong.init_weights()
    torch.save({'stem.weight': torch.ones(2)}, tmp_path / 'w.pth')
    wrong = TimmBackbone('test_resnet', str(tmp_path / 'w.pth'))
    with pytest.raises(KeyMismatchError, match='do not fit'):
        wrong.init_weights()


def test_timm_backbone_takes_no_part_of_its_weights(tmp_path):
    net = TimmBackbone('test_resnet').timm_model
    state = {**net.state_dict(), 'fc.weight': torch.ones(2, 2)}
    file = tmp_path / 'w.pth'
    torch.save({k: v for k, v in state.items() if 'num_b' not in k}, file)
    TimmBackbone('test_resnet', str(file)).init_weights()
    kept = {k: v for k, v in state.items() if 'layer4' not in k}
    torch.save(kept, file)
    part = TimmBackbone('test_resnet', str(file))
    with pytest.raises(
        KeyMismatchError, match=r"w\.pth \(for timm's test_resnet\).*layer4"
    ):
        part.init_weights()


def test_what_replaced_a_convolution_of_timm_starts_anew(tmp_path):
    state = TimmBackbone('test_resnet').timm_model.state_dict()
    torch.save(state, tmp_path / 'w.pth')
    net = TimmBackbone('test_resnet', str(tmp_path / 'w.pth'))
    block = net.timm_model.layer1[0]
    block.conv2 = nn.Sequential(block.conv2)
    net.init_weights()
    found = net.timm_model.state_dict()
    missing = [key for key in state if key not in found]
    assert missing == ['layer1.0.conv2.weight']
    assert all(torch.equal(found[k], state[k]) for k in found if k in state)


def test_levels_of_timm_backbone_are_those_of_the_teacher():
    package, ways = 'package:efficientnet-lite0', ('mean', 'std', 'max')
    net = TimmBackbone('tf_efficientnet_lite0', package, levels=(1, 3))
    net.init_weights()
    student = Embedder(net.eval(), [127.5] * 3, [127.5] * 3, ways)
    teacher = TimmTeacher(
        weights=package, levels=(1, 3), input_size=64, poolings=ways
    )
    image = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        found = student.encode(image)
    for mine, theirs in zip(found, teacher.encode(image), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4)
    assert [row.shape[1] for row in found] == [24] * 3 + [112] * 3 + [1280]
    with pytest.raises(ValueError, match='use out_indices with'):
        TimmBackbone('test_resnet', levels=(1,), features_only=True)
