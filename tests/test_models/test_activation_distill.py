"""Distillation of maps: against the definition, by identities, at edges."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from mmpretrain.structures import DataSample
from torch import Tensor

import mmcvgssl  # noqa: F401
from mmcvgssl.models.heads import (
    AnomalyDistillHead,
    AttentionAdapterHead,
    stack_maps,
)
from mmcvgssl.models.losses import (
    activation_distill_loss,
    map_distance,
    squared_activation,
)
from mmcvgssl.registry import MODELS

SHAPES = [(3, 4, 6, 5), (3, 2, 3, 3), (3, 7, 1, 2)]


def data(seed: int = 0, dtype=torch.float32) -> tuple[list[Tensor], Tensor]:
    generator = torch.Generator().manual_seed(seed)
    feats = [
        torch.randn(shape, generator=generator, dtype=dtype)
        for shape in SHAPES
    ]
    heat = torch.rand(3, 1, 9, 8, generator=generator, dtype=dtype)
    return feats, heat


def bilinear(rows: list[list[float]], height: int, width: int):
    """Sample a map at the middles of the cells of a coarser or finer grid."""
    h, w = len(rows), len(rows[0])

    def sources(i: int, n: int, length: int):
        at = max((i + 0.5) * length / n - 0.5, 0.0)
        low = min(math.floor(at), length - 1)
        return low, min(low + 1, length - 1), at - low

    out = []
    for i in range(height):
        top, bottom, v = sources(i, height, h)
        line = []
        for j in range(width):
            left, right, u = sources(j, width, w)
            upper = rows[top][left] * (1 - u) + rows[top][right] * u
            lower = rows[bottom][left] * (1 - u) + rows[bottom][right] * u
            line.append(upper * (1 - v) + lower * v)
        out.append(line)
    return out


def unit(values: list[float]) -> list[float]:
    length = math.sqrt(sum(v * v for v in values))
    return [v / length if length else 0.0 for v in values]


def by_definition(feats: list[Tensor], heat: Tensor) -> float:
    """Go over levels, images, rows, columns and channels one by one."""
    total = 0.0
    for level in feats:
        n, channels, height, width = level.shape
        for b in range(n):
            a = [
                sum(float(level[b, c, y, x]) ** 2 for c in range(channels))
                for y in range(height)
                for x in range(width)
            ]
            grid = bilinear(heat[b, 0].tolist(), height, width)
            m = [value for row in grid for value in row]
            total += (
                sum(
                    (p - q) ** 2 for p, q in zip(unit(a), unit(m), strict=True)
                )
                / n
            )
    return total


@pytest.mark.parametrize('seed', range(4))
def test_loss_is_that_of_the_definition(seed):
    feats, heat = data(seed, torch.float64)
    got = activation_distill_loss(feats, heat)
    assert got.shape == ()
    assert float(got) == pytest.approx(by_definition(feats, heat), rel=1e-9)


def test_a_level_is_two_less_twice_the_cosine():
    feats, heat = data(1, torch.float64)
    for level in feats:
        resized = F.interpolate(heat, level.shape[-2:], mode='bilinear')
        cosine = F.cosine_similarity(
            level.square().sum(1).flatten(1), resized.flatten(1)
        )
        torch.testing.assert_close(
            activation_distill_loss([level], heat), (2 - 2 * cosine).mean()
        )


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    feature_scale=st.floats(-3, 3),
    map_scale=st.floats(-3, 3),
)
def test_scales_do_not_matter_and_levels_add_up(
    seed, feature_scale, map_scale
):
    feats, heat = data(seed)
    loss = activation_distill_loss(feats, heat)
    assert 0 <= float(loss) <= 2 * len(feats)
    scaled = [f * 10**feature_scale for f in feats]
    torch.testing.assert_close(
        activation_distill_loss(scaled, heat * 10**map_scale),
        loss,
        rtol=1e-4,
        atol=1e-5,
    )
    each = [activation_distill_loss([f], heat) for f in feats]
    torch.testing.assert_close(sum(each), loss)


def test_activation_like_the_map_costs_nothing():
    heat = torch.rand(2, 1, 4, 4)
    same = heat.sqrt() * torch.tensor([0.6, 0.8]).view(1, 2, 1, 1)
    assert float(activation_distill_loss([same], heat)) < 1e-6
    # nothing in common: the distance of orthogonal vectors
    left, right = torch.zeros(2, 1, 2, 4), torch.zeros(2, 1, 2, 4)
    left[..., :2], right[..., 2:] = 1, 1
    assert float(activation_distill_loss([left], right)) == pytest.approx(2)


def test_every_level_is_resized_from_the_map_itself():
    feats, heat = data(2)
    both = activation_distill_loss([feats[2], feats[0]], heat)
    alone = activation_distill_loss([feats[0]], heat)
    first = activation_distill_loss([feats[2]], heat)
    torch.testing.assert_close(both - first, alone)


def test_gradients_in_double_precision():
    feats, heat = data(3, torch.float64)
    leaves = [f.requires_grad_() for f in feats]
    assert torch.autograd.gradcheck(
        lambda *levels: activation_distill_loss(levels, heat), leaves
    )


def test_gradients_are_those_of_the_definition():
    feats, heat = data(5, torch.float64)
    feats = [f[:1, :2, :2, :2].clone().requires_grad_() for f in feats[:2]]
    heat = heat[:1].requires_grad_()
    activation_distill_loss(feats, heat).backward()
    assert heat.grad is None
    step = 1e-6
    for level in feats:
        for index in [(0, 0, 0, 0), (0, 1, 1, 0), (0, 0, 1, 1)]:
            ends = []
            for sign in (1, -1):
                moved = [f.detach().clone() for f in feats]
                at = next(i for i, f in enumerate(feats) if f is level)
                moved[at][index] += sign * step
                ends.append(by_definition(moved, heat.detach()))
            slope = (ends[0] - ends[1]) / (2 * step)
            assert float(level.grad[index]) == pytest.approx(slope, abs=1e-7)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ('features', 'heat', 'expected'),
    [
        ('random', 'zero', 1.0),
        ('zero', 'random', 1.0),
        ('zero', 'zero', 0.0),
        ('constant', 'constant', 0.0),
        ('zero', 'constant', 1.0),
        ('random', 'constant', None),
        ('tiny', 'random', None),
        ('constant', 'one of two zero', None),
    ],
)
def test_without_contrast_there_is_no_nan(features, heat, expected, dtype):
    torch.manual_seed(0)
    level = {
        'random': torch.randn(2, 3, 4, 4, dtype=dtype),
        'zero': torch.zeros(2, 3, 4, 4, dtype=dtype),
        'constant': torch.full((2, 3, 4, 4), 0.7, dtype=dtype),
        'tiny': torch.full((2, 3, 4, 4), 1e-20, dtype=dtype),
    }[features].requires_grad_()
    maps = {
        'random': torch.rand(2, 1, 8, 8),
        'zero': torch.zeros(2, 1, 8, 8),
        'constant': torch.full((2, 1, 8, 8), 0.3),
        'one of two zero': torch.stack(
            [torch.zeros(1, 8, 8), torch.rand(1, 8, 8)]
        ),
    }[heat]
    loss = activation_distill_loss([level], maps)
    loss.backward()
    assert bool(loss.isfinite())
    assert bool(level.grad.isfinite().all())
    assert float(level.grad.abs().max()) < 100
    if expected is not None:
        assert float(loss.detach()) == pytest.approx(expected, abs=1e-6)


def test_half_precision_is_computed_in_float32():
    feats, heat = data(4)
    # squares and their sums are beyond half precision
    large = [(f * 400).half() for f in feats]
    expected = activation_distill_loss([f.float() for f in large], heat)
    for autocast in (False, True):
        with torch.autocast('cpu', torch.bfloat16, enabled=autocast):
            got = activation_distill_loss(large, heat.half())
        assert got.dtype == torch.float32
        torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ('feats', 'heat', 'message'),
    [
        ([], (2, 1, 4, 4), 'at least one feature level'),
        ([(2, 3)], (2, 1, 4, 4), r'\[B, C, H, W\].*\(2, 3\); choose a backb'),
        ([(2, 3, 4, 4)], (2, 4, 4), r'maps \[B, 1, h, w\], got \(2, 4, 4\)'),
        ([(2, 3, 4, 4)], (2, 3, 4, 4), r'got \(2, 3, 4, 4\)'),
        ([(2, 3, 4, 4)] * 2, (3, 1, 4, 4), r'each of the 3.*at level 0'),
    ],
)
def test_shapes_that_do_not_fit(feats, heat, message):
    with pytest.raises(ValueError, match=message):
        activation_distill_loss(
            [torch.ones(shape) for shape in feats], torch.ones(heat)
        )


# heads


def test_the_head_weighs_the_loss():
    feats, heat = data()
    head = MODELS.build({'type': 'mmcvgssl.AnomalyDistillHead', 'weight': 2.5})
    assert isinstance(head, AnomalyDistillHead)
    assert not list(head.parameters())
    losses = head.loss(feats, heat)
    assert set(losses) == {'loss_anomaly'}
    torch.testing.assert_close(
        losses['loss_anomaly'], 2.5 * activation_distill_loss(feats, heat)
    )
    for got, level in zip(head(feats), feats, strict=True):
        torch.testing.assert_close(got, squared_activation(level))
    with pytest.raises(ValueError, match='0 or more, got -1'):
        AnomalyDistillHead(-1)


def adapter_by_hand(adapter, level: Tensor) -> Tensor:
    """Attention of one head, written out."""
    n, c, h, w = level.shape
    x = level.permute(0, 2, 3, 1).reshape(n, h * w, c)
    qkv = x @ adapter.attention.in_proj_weight.T
    q, k, v = (qkv + adapter.attention.in_proj_bias).split(c, dim=2)
    shares = (q @ k.transpose(1, 2) / c**0.5).softmax(dim=2)
    attended = adapter.attention.out_proj(shares @ v)
    summed = x + attended
    mean = summed.mean(2, keepdim=True)
    scale = (summed.var(2, keepdim=True, unbiased=False) + 1e-5).sqrt()
    normed = (summed - mean) / scale
    return adapter.mlp(normed).reshape(n, 1, h, w)


def test_the_adapter_attends_over_positions():
    feats, heat = data()
    torch.manual_seed(0)
    head = MODELS.build(
        {
            'type': 'mmcvgssl.AttentionAdapterHead',
            'in_channels': [s[1] for s in SHAPES],
            'hid_channels': 11,
            'weight': 0.5,
        }
    )
    assert isinstance(head, AttentionAdapterHead)
    maps = head(feats)
    for adapter, level, got in zip(head.adapters, feats, maps, strict=True):
        assert adapter.attention.num_heads == 1
        assert adapter.mlp[0].weight.shape == (11, level.shape[1])
        torch.testing.assert_close(
            got, adapter_by_hand(adapter, level), rtol=1e-4, atol=1e-5
        )
    losses = head.loss(feats, heat)
    torch.testing.assert_close(
        losses['loss_anomaly'], 0.5 * map_distance(maps, heat)
    )


def test_the_adapter_is_512_wide_and_learns_the_map():
    torch.manual_seed(0)
    head = AttentionAdapterHead([4])
    assert head.adapters[0].mlp[0].out_features == 512
    feats, heat = [torch.randn(2, 4, 5, 5)], torch.rand(2, 1, 5, 5)
    optimizer = torch.optim.Adam(head.parameters(), 1e-2)
    seen = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = head.loss(feats, heat)['loss_anomaly']
        loss.backward()
        optimizer.step()
        seen.append(float(loss.detach()))
    assert seen[-1] < 0.1 * seen[0]
    assert all(p.grad.isfinite().all() for p in head.parameters())


@pytest.mark.parametrize(
    ('in_channels', 'message'),
    [
        ([], 'needs in_channels'),
        ([4, 2], r'of \[4, 2\] channels, got the shapes \[\(3, 4, 6, 5\)'),
        ([4, 2, 8], 'set in_channels'),
    ],
)
def test_the_adapter_needs_the_widths(in_channels, message):
    with pytest.raises(ValueError, match=message):
        AttentionAdapterHead(in_channels).loss(*data())


# maps of data samples


def sample(shape=(1, 4, 6), value: float = 0.0) -> DataSample:
    made = DataSample(metainfo={'img_path': 'x/a.png'})
    made.set_field(torch.full(shape, value), 'anomaly_map')
    return made


def test_maps_are_stacked():
    maps = stack_maps(
        [sample(value=1.0), sample(value=2.0)], torch.zeros(2, 3, 4, 6)
    )
    assert maps.shape == (2, 1, 4, 6)
    assert maps[:, 0, 0, 0].tolist() == [1, 2]


@pytest.mark.parametrize(
    ('samples', 'message'),
    [
        (None, 'expected 2 data samples with anomaly maps, got 0'),
        ([sample()], 'got 1'),
        ([sample(), DataSample()], 'of an image; use mmcvgssl.AnomalyMapD'),
        ([sample(), sample((1, 4, 5))], r'x/a\.png has the shape \[1, 4, 5\]'),
        ([sample((4, 6))] * 2, r'expected \[1, 4, 6\].*JointGeometry'),
    ],
)
def test_maps_that_are_missing_or_of_another_size(samples, message):
    with pytest.raises(ValueError, match=message):
        stack_maps(samples, torch.zeros(2, 3, 4, 6))
