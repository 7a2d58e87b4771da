"""Heads: their layers, their weights and the mean over teachers."""

import pytest
import torch
from torch import nn

from mmcvgssl.models.heads import CVGSSLHead, FeatureRegressionHead
from mmcvgssl.models.layers import global_pool
from mmcvgssl.models.losses import cvgssl_loss, feature_regression_loss

SHAPE = (4, 8)


def features(count: int, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(SHAPE, generator=generator) for _ in range(count)]


def layers(module: nn.Module) -> list[str]:
    """Linear widths and batch norms, in the order they were made."""
    found = []
    for m in module.modules():
        if isinstance(m, nn.Linear):
            assert m.bias is None
            found.append(f'{m.in_features}-{m.out_features}')
        elif isinstance(m, nn.BatchNorm1d):
            found.append('bn')
    return found


@pytest.mark.parametrize('last_bn', [False, True])
def test_layers_are_those_of_the_method(last_bn):
    head = CVGSSLHead(last_bn=last_bn, teacher_widths=(1024, 7))
    last = ['bn'] * last_bn
    assert layers(head.predictor) == ['256-512', 'bn', '512-256', *last]
    assert [layers(a) for a in head.adapters] == [
        [f'{width}-1024', 'bn', '1024-1024', 'bn', '1024-256']
        for width in (1024, 7)
    ]


def test_terms_are_weighted_means_over_the_teachers():
    head = CVGSSLHead(
        8,
        temperature=0.3,
        distill_weight=2.0,
        contrast_weight=3.0,
        self_weight=0.5,
        teacher_widths=(5, 6),
    )
    z0, p = features(1)[0], features(3, seed=1)
    t = [features(3, seed=2), features(3, seed=3)]
    got = head.loss(z0, p, t)
    apart = [cvgssl_loss(z0, p, views, 0.3, 0.5) for views in t]
    factors = {'loss_distill': 2, 'loss_contrast': 3, 'loss_self': 1}
    assert set(got) == set(factors)
    for name, factor in factors.items():
        expected = factor * (apart[0][name] + apart[1][name]) / 2
        torch.testing.assert_close(got[name], expected)


def test_each_teacher_has_its_own_projector():
    head = CVGSSLHead(8, 16, 16, teacher_widths=(5, 6)).eval()
    z = features(1)[0]
    one, two = torch.randn(4, 5), torch.randn(4, 6)
    prediction, projected = head(z, [one, two])
    assert prediction.shape == SHAPE
    for row, adapter, out in zip(
        (one, two), head.adapters, projected, strict=True
    ):
        torch.testing.assert_close(adapter((row,))[0], out)
    with pytest.raises(ValueError, match='shorter'):
        head(z, [one])


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [({}, 'teacher_widths'), ({'temperature': 0}, 'above 0, got 0')],
)
def test_head_refuses(kwargs, message):
    kwargs = {'teacher_widths': (3,), **kwargs} if kwargs else {}
    with pytest.raises(ValueError, match=message):
        CVGSSLHead(**kwargs)


def test_half_precision_losses_are_computed_in_float32():
    head = CVGSSLHead(8, teacher_widths=(5,))
    z0, p, t = features(1)[0], features(2, 1), features(2, 2)
    halves = [x.bfloat16() for x in (z0, *p, *t)]
    got = head.loss(halves[0], halves[1:3], [halves[3:]])
    wanted = cvgssl_loss(
        halves[0].float(),
        [x.float() for x in halves[1:3]],
        [x.float() for x in halves[3:]],
    )
    for name, value in wanted.items():
        assert torch.equal(got[name], value)


@pytest.mark.parametrize('standardize', [True, False])
def test_regression_of_standardised_levels(standardize):
    torch.manual_seed(0)
    head = FeatureRegressionHead(8, standardize, 0.7, level_widths=(3, 5))
    rows = features(1)[0]
    targets = [5 + 3 * torch.randn(4, 3), torch.randn(4, 5)]
    got = head.loss(rows, targets)
    assert set(got) == {'loss_regression'}
    if standardize:
        scaled = [
            (t - t.mean(0)) / (t.var(0, unbiased=False) + 1e-5).sqrt()
            for t in targets
        ]
    else:
        scaled = targets
    predicted = rows @ head.linear.weight.T + head.linear.bias
    predictions = [predicted[:, :3], predicted[:, 3:]]
    expected = 0.7 * feature_regression_loss(predictions, scaled)
    torch.testing.assert_close(got['loss_regression'], expected)
    got['loss_regression'].backward()
    assert head.linear.weight.grad.abs().sum() > 0


def test_standardisation_follows_the_running_statistics():
    head = FeatureRegressionHead(2, level_widths=(3,))
    targets = torch.tensor([1.0, 2.0, 3.0]) + torch.randn(512, 3) * 4
    for _ in range(100):
        head.loss(torch.ones(512, 2), [targets])
    torch.testing.assert_close(
        head.norms[0].running_mean, targets.mean(0), rtol=1e-3, atol=1e-3
    )
    assert not list(head.norms.parameters())


def test_regression_needs_levels():
    with pytest.raises(ValueError, match='teacher levels'):
        FeatureRegressionHead(4)


@pytest.mark.parametrize(
    ('shape', 'axes'), [((2, 3, 4, 5), (2, 3)), ((2, 4, 3), 1), ((2, 3), ())]
)
def test_pooling_of_what_backbones_return(shape, axes):
    x = torch.randn(shape)
    expected = x.numpy().mean(axis=axes) if axes else x.numpy()
    for given in (x, [torch.ones(1), x], (x,)):
        pooled = global_pool(given)
        torch.testing.assert_close(pooled, torch.from_numpy(expected))
    with pytest.raises(ValueError, match=r'\(2, 3, 4, 5, 6\)'):
        global_pool(torch.ones(2, 3, 4, 5, 6))
