"""Probe and training on a few examples."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from torch import nn

from mmcvgssl.evaluation.few_shot import probe, train_classifier
from mmcvgssl.evaluation.few_shot.learners import SCHEDULE, linear_layer


def clusters(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.RandomState(seed)
    labels = np.arange(n) % 3
    rows = np.eye(3, 8)[labels] + random.normal(0, 0.4, (n, 8))
    return rows * random.uniform(1, 9, (n, 1)), labels


def test_probe_is_the_published_protocol():
    (train, y), (test, truth) = clusters(12, 0), clusters(60, 1)
    model = LogisticRegression(C=100, max_iter=2000)
    model.fit([row / np.sqrt((row**2).sum()) for row in train], y)
    unit = [row / np.sqrt((row**2).sum()) for row in test]
    right = sum(
        a == b for a, b in zip(model.predict(unit), truth, strict=True)
    )
    assert probe(train, y, test, truth) == pytest.approx(100 * right / 60)
    # the length of a feature does not count
    assert probe(train * 7, y, test / 3, truth) == pytest.approx(
        100 * right / 60
    )
    assert np.isfinite(probe(train * 0, y, test, truth))


def test_schedule_is_that_of_the_method():
    assert SCHEDULE == {
        'lr': 0.003,
        'momentum': 0.9,
        'weight_decay': 1e-4,
        'epochs': 100,
        'batch_size': 256,
    }


@pytest.mark.parametrize('batch_size', [2, 256])
def test_training_is_plain_sgd(batch_size):
    rows, labels = clusters(5, 0)
    x, y = torch.tensor(rows).float(), torch.tensor(labels)
    schedule = {**SCHEDULE, 'epochs': 4, 'batch_size': batch_size}
    layer, modes = linear_layer(8, 3, seed=5), []

    def evaluate(model: nn.Module) -> float:
        modes.append(model.training)
        return float(model.weight.detach().abs().sum())

    got = train_classifier(layer, x, y, evaluate, schedule, seed=2)
    # the same by hand
    other = linear_layer(8, 3, seed=5)
    order = torch.Generator().manual_seed(2)
    speed = [torch.zeros_like(p) for p in other.parameters()]
    for _ in range(4):
        for rows in torch.randperm(5, generator=order).split(batch_size):
            loss = F.cross_entropy(other(x[rows]), y[rows])
            grads = torch.autograd.grad(loss, list(other.parameters()))
            with torch.no_grad():
                for p, v, g in zip(
                    other.parameters(), speed, grads, strict=True
                ):
                    v.mul_(0.9).add_(g + 1e-4 * p)
                    p -= 0.003 * v
    torch.testing.assert_close(layer.weight, other.weight)
    torch.testing.assert_close(layer.bias, other.bias)
    assert modes == [False]
    assert got == [pytest.approx(float(other.weight.detach().abs().sum()))]


def test_every_epoch_can_be_evaluated():
    rows, labels = clusters(6, 0)
    seen = iter(range(100))
    got = train_classifier(
        linear_layer(8, 3, 0),
        torch.tensor(rows).float(),
        torch.tensor(labels),
        lambda _: next(seen),
        {**SCHEDULE, 'epochs': 3},
        seed=0,
        every_epoch=True,
    )
    assert got == [0, 1, 2]


def test_frozen_weights_stay():
    rows, labels = clusters(6, 0)
    model = nn.Sequential(nn.Linear(8, 8), linear_layer(8, 3, 0))
    model[0].requires_grad_(False)
    before = model[0].weight.clone()
    moving = model[1].weight.detach().clone()
    train_classifier(
        model,
        torch.tensor(rows).float(),
        torch.tensor(labels),
        lambda _: 0.0,
        {**SCHEDULE, 'epochs': 2},
        seed=0,
    )
    assert torch.equal(model[0].weight, before)
    assert not torch.equal(model[1].weight, moving)


def test_a_new_layer_is_small_and_fixed_by_the_seed():
    one, two, other = (linear_layer(500, 4, seed) for seed in (1, 1, 2))
    assert torch.equal(one.weight, two.weight)
    assert not torch.equal(one.weight, other.weight)
    assert float(one.weight.detach().std()) == pytest.approx(0.01, rel=0.1)
    assert not one.bias.any()
