"""Losses against slow references written from their formulas."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mmcvgssl.models.losses import (
    contrast,
    cvgssl_loss,
    feature_regression_loss,
    self_constraint,
)


def cosine(a: Tensor, b: Tensor) -> Tensor:
    dot = norm_a = norm_b = 0
    for x, y in zip(a, b, strict=True):
        dot, norm_a, norm_b = dot + x * y, norm_a + x * x, norm_b + y * y
    return dot / (norm_a.sqrt() * norm_b.sqrt())


def slow_contrast(query: Tensor, key: Tensor, tau: float) -> Tensor:
    """C(q, k): one row after the other."""
    total = 0
    for n in range(len(query)):
        exps = [(cosine(query[n], k) / tau).exp() for k in key]
        total = total - (exps[n] / sum(exps)).log()
    return 2 * tau * total / len(query)


def slow_self(t: list[Tensor]) -> Tensor:
    total = 0
    for i in range(len(t)):
        after = t[(i + 1) % len(t)]
        s = [cosine(t[i][n], after[n]) for n in range(len(after))]
        exps = [x.exp() for x in s]
        best = max(range(len(s)), key=lambda n: s[n].item())
        total = total - (exps[best] / sum(exps)).log()
    return total / len(t)


def slow_loss(
    z0: Tensor, p: list[Tensor], t: list[Tensor], tau: float
) -> dict[str, Tensor]:
    """The three terms, summed view by view; detach is the stop-gradient."""
    views = len(p)
    distill = contrast_term = 0
    for i in range(views):
        distill = distill + slow_contrast(p[0], t[i].detach(), tau)
        distill = distill + slow_contrast(p[0].detach(), t[i], tau)
    for i in range(1, views):
        contrast_term = contrast_term + slow_contrast(p[i], z0.detach(), tau)
        contrast_term = contrast_term + slow_contrast(z0.detach(), p[0], tau)
    return {
        'loss_distill': distill / views,
        'loss_contrast': contrast_term / (views - 1),
        'loss_self': slow_self(t),
    }


def rows(seed: int, n: int = 4, width: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    made = torch.randn(n, width, generator=generator, dtype=torch.float64)
    return made.requires_grad_()


def case(views: int) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    p = [rows(10 + i) for i in range(views)]
    return rows(1), p, [rows(20 + i) for i in range(views)]


def gradients(loss: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    grads = torch.autograd.grad(loss, inputs, allow_unused=True)
    return [
        torch.zeros_like(x) if g is None else g
        for x, g in zip(inputs, grads, strict=True)
    ]


@pytest.mark.parametrize('tau', [1.0, 0.2, 3.0])
def test_contrast_is_the_slow_one(tau):
    query, key = rows(0), rows(1)
    expected = slow_contrast(query, key, tau)
    torch.testing.assert_close(contrast(query, key, tau), expected)


def test_contrast_of_orthogonal_rows_has_a_closed_form():
    eye = torch.eye(4, dtype=torch.float64)
    expected = 2 * 0.5 * (math.log(math.exp(2) + 3) - 2)
    assert float(contrast(eye, eye, 0.5)) == pytest.approx(expected)


@pytest.mark.parametrize('views', [2, 3, 5])
@pytest.mark.parametrize('tau', [1.0, 0.3])
def test_terms_and_gradients_are_the_slow_ones(views, tau):
    z0, p, t = case(views)
    inputs = [z0, *p, *t]
    got = cvgssl_loss(z0, p, t, tau, self_weight=0.5)
    expected = slow_loss(z0, p, t, tau)
    expected['loss_self'] = 0.5 * expected['loss_self']
    assert set(got) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(got[name], value)
        for mine, theirs in zip(
            gradients(got[name], inputs),
            gradients(value, inputs),
            strict=True,
        ):
            torch.testing.assert_close(mine, theirs)


def test_sum_is_the_loss_with_the_default_weights():
    z0, p, t = case(5)
    terms = slow_loss(z0, p, t, 1.0)
    expected = (
        terms['loss_distill']
        + terms['loss_contrast']
        + 0.01 * terms['loss_self']
    )
    torch.testing.assert_close(sum(cvgssl_loss(z0, p, t).values()), expected)


def test_where_no_gradient_flows():
    z0, p, t = case(3)
    terms = cvgssl_loss(z0, p, t)
    flows = {
        name: [bool(g.abs().max() > 0) for g in gradients(v, [z0, *p, *t])]
        for name, v in terms.items()
    }
    #                        z0     p0     p1     p2     t0     t1     t2
    assert flows == {
        'loss_distill': [False, True, False, False, True, True, True],
        'loss_contrast': [False, True, True, True, False, False, False],
        'loss_self': [False, False, False, False, True, True, True],
    }


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 6),
    scale=st.floats(0.1, 10),
    tau=st.floats(0.1, 5),
)
def test_scale_and_order_of_the_batch_do_not_matter(seed, n, scale, tau):
    query, key = rows(seed, n).detach(), rows(seed + 1, n).detach()
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    expected = contrast(query, key, tau)
    assert float(expected) >= 0
    got = contrast(scale * query[order], key[order], tau)
    torch.testing.assert_close(got, expected)
    pair = [query, key]
    moved = [scale * x[order] for x in pair]
    torch.testing.assert_close(self_constraint(moved), self_constraint(pair))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'temperature': 0.0}, 'temperature must be above 0, got 0.0'),
        ({'temperature': -1.0}, 'temperature must be above 0'),
        ({'predictions': 1, 'teachers': 1}, 'at least 2'),
        ({'teachers': 2}, 'got 3 and 2'),
        ({'bad_p': torch.ones(4, 2)}, r'predictions\[1\].*\(4, 3\).*\(4, 2\)'),
        ({'bad_t': torch.ones(5, 3)}, r'teacher_projections\[1\].*\(5, 3\)'),
        ({'bad_t': torch.ones(4, 3, 1)}, r'teacher_projections\[1\]'),
    ],
)
def test_wrong_input_is_named(change, message):
    z0, p, t = case(3)
    p[1] = change.get('bad_p', p[1])
    t[1] = change.get('bad_t', t[1])
    p, t = p[: change.get('predictions', 3)], t[: change.get('teachers', 3)]
    with pytest.raises(ValueError, match=message):
        cvgssl_loss(z0, p, t, change.get('temperature', 1.0))


def test_regression_is_the_slow_one():
    predictions = [rows(0, width=3), rows(1, width=5)]
    targets = [rows(2, width=3), rows(3, width=5)]
    loss = feature_regression_loss(predictions, targets)
    expected = 0
    for p, t in zip(predictions, targets, strict=True):
        for n in range(4):
            expected = expected + (1 - cosine(p[n], t[n])) / (4 * 2)
    torch.testing.assert_close(loss, expected)
    grads = gradients(loss, [*predictions, *targets])
    slow = gradients(expected, predictions)
    for mine, theirs in zip(grads[:2], slow, strict=True):
        torch.testing.assert_close(mine, theirs)
    assert all(not g.any() for g in grads[2:])


@pytest.mark.parametrize('factor', [1.0, -1.0])
def test_regression_of_a_multiple_is_an_end_of_the_range(factor):
    x = rows(0)
    loss = feature_regression_loss([x], [3 * factor * x])
    assert float(loss) == pytest.approx(1 - factor)


@pytest.mark.parametrize(
    'targets', [[], [torch.ones(4, 4)], [torch.ones(4, 3)] * 2]
)
def test_regression_of_other_shapes_is_refused(targets):
    with pytest.raises(ValueError, match='expected targets of shapes'):
        feature_regression_loss([rows(0)], targets)
