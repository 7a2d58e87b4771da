"""Focal losses against the formula of the paper, one entry at a time."""

import math

import numpy as np
import pytest
import torch
from mmcv.ops import sigmoid_focal_loss, softmax_focal_loss

# Labels of four classes; 4 is background, as mmdet numbers it.
LABELS = [0, 3, 4, 1, 2, 4]


def draw(rows=6, classes=4, scale=3.0):
    rng = np.random.default_rng(0)
    return rng.normal(size=(rows, classes)) * scale


def slow_sigmoid(logits, labels, gamma, alpha, weight):
    out = np.zeros_like(logits)
    for n, c in np.ndindex(logits.shape):
        positive = labels[n] == c
        p = 1 / (1 + math.exp(-logits[n, c]))
        p_t = p if positive else 1 - p
        alpha_t = alpha if positive else 1 - alpha
        scale = 1.0
        if weight is not None and 0 <= labels[n] < len(weight):
            scale = weight[labels[n]]
        out[n, c] = -scale * alpha_t * (1 - p_t) ** gamma * math.log(p_t)
    return out


def slow_softmax(logits, labels, gamma, alpha, weight):
    out = np.zeros(len(logits))
    for n, label in enumerate(labels):
        if label < 0:
            continue
        powers = [math.exp(v) for v in logits[n]]
        p = powers[label] / sum(powers)
        scale = 1.0 if weight is None else weight[label]
        out[n] = -scale * alpha * (1 - p) ** gamma * math.log(p)
    return out


def slope(function, point, step=1e-6):
    grad = np.zeros_like(point)
    for place in np.ndindex(point.shape):
        up, down = point.copy(), point.copy()
        up[place] += step
        down[place] -= step
        grad[place] = (function(up) - function(down)) / (2 * step)
    return grad


KINDS = {
    'sigmoid': (sigmoid_focal_loss, slow_sigmoid, LABELS),
    'softmax': (softmax_focal_loss, slow_softmax, [0, 3, 1, 1, 2, 0]),
}


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('gamma', [0.0, 1.5, 2.0])
@pytest.mark.parametrize('weight', [None, [0.5, 1.0, 2.0, 3.0]])
@pytest.mark.parametrize('reduction', ['none', 'mean', 'sum'])
def test_focal_loss(ext, device, kind, gamma, weight, reduction):
    op, slow, labels = KINDS[kind]
    logits = draw()

    def loss(values):
        out = slow(values, labels, gamma, 0.25, weight)
        if reduction == 'mean':
            return out.sum() / len(values)
        return out.sum() if reduction == 'sum' else out

    leaf = torch.tensor(logits, device=device, requires_grad=True)
    scales = weight and torch.tensor(weight, dtype=leaf.dtype, device=device)
    got = op(
        leaf,
        torch.tensor(labels, device=device),
        gamma,
        0.25,
        scales,
        reduction,
    )
    np.testing.assert_allclose(got.detach().cpu(), loss(logits), atol=1e-8)
    if reduction == 'none':
        if kind == 'softmax':  # which mmcv cannot differentiate unreduced
            return
        got = got.sum()
    got.backward()
    want = slope(lambda values: loss(values).sum(), logits)
    np.testing.assert_allclose(leaf.grad.cpu(), want, atol=1e-6)


def test_softmax_focal_loss_ignores_negative_labels(ext, device):
    """Asked of the op itself: one below zero has no softmax value."""
    logits = draw(rows=3)
    labels = [2, -1, 0]
    probs = torch.tensor(logits, device=device).softmax(1)
    target = torch.tensor(labels, device=device)
    weight = torch.tensor([1.0, 2, 3, 4], dtype=probs.dtype, device=device)
    out = torch.ones(3, dtype=probs.dtype, device=device)
    ext.softmax_focal_loss_forward(probs, target, weight, out, 2.0, 0.25)
    want = slow_softmax(logits, labels, 2.0, 0.25, [1, 2, 3, 4])
    np.testing.assert_allclose(out.cpu(), want, atol=1e-8)
    grad, buff = torch.ones_like(probs), torch.ones_like(out)
    ext.softmax_focal_loss_backward(
        probs, target, weight, buff, grad, 2.0, 0.25
    )
    assert not grad[1].any()
    assert grad[0].any()
    assert buff[1] == 0


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('gamma', [0.0, 2.0])
def test_sure_scores_stay_finite(ext, device, kind, gamma):
    """Probabilities of exactly 0 and 1 in C floats."""
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], device=device)
    logits.requires_grad_()
    labels = torch.zeros(2, dtype=torch.long, device=device)
    loss = KINDS[kind][0](logits, labels, gamma, 0.25, None, 'sum')
    loss.backward()
    assert loss.isfinite()
    assert loss > 20
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize('kind', KINDS)
def test_focal_loss_takes_half_precision(ext, device, kind):
    op, slow, labels = KINDS[kind]
    logits = torch.tensor(draw(), device=device).half()
    want = slow(logits.double().cpu().numpy(), labels, 2.0, 0.25, None)
    with torch.autocast(device, dtype=torch.bfloat16):
        target = torch.tensor(labels, device=device)
        got = op(logits, target, 2.0, 0.25, None, 'none')
    assert got.dtype == torch.float16
    np.testing.assert_allclose(got.cpu(), want, atol=2e-3, rtol=1e-2)


def test_focal_loss_refuses_other_shapes(ext):
    empty = torch.zeros(0)
    for name in ('sigmoid_focal_loss_forward', 'softmax_focal_loss_forward'):
        with pytest.raises(ValueError, match=r'`target` of shape \(3\)'):
            getattr(ext, name)(
                torch.zeros(3, 2),
                torch.zeros(2, dtype=torch.long),
                empty,
                empty,
                2.0,
                0.25,
            )
