"""The share of views that find their own image."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmcvgssl.evaluation.contrastive_accuracy import (
    ContrastiveAccuracy,
    nearest_is_own,
)


def slow(embeddings: np.ndarray) -> np.ndarray:
    """Compare each view with each other one."""
    n, v, _ = embeddings.shape
    found = np.zeros((n, v), bool)
    for i in range(n):
        for a in range(v):
            own, foreign = -2.0, -2.0
            for j in range(n):
                for b in range(v):
                    p, q = embeddings[i, a], embeddings[j, b]
                    cos = p @ q / np.linalg.norm(p) / np.linalg.norm(q)
                    if i == j and a != b:
                        own = max(own, cos)
                    elif i != j:
                        foreign = max(foreign, cos)
            found[i, a] = own > foreign
    return found


def draw(n: int, v: int = 2, d: int = 4, noise: float = 0.4) -> torch.Tensor:
    random = torch.Generator().manual_seed(n + 10 * v)
    images = torch.randn(n, 1, d, generator=random)
    return images + noise * torch.randn(n, v, d, generator=random)


def measure(embeddings: torch.Tensor, batch: int = 5, **kwargs) -> float:
    metric = ContrastiveAccuracy(**kwargs)
    for rows in embeddings.split(batch):
        metric.process(None, [{'embeddings': row} for row in rows])
    result = metric.evaluate(len(embeddings))
    assert list(result) == ['contrastive_accuracy']
    return result['contrastive_accuracy']


@pytest.mark.parametrize(('n', 'v'), [(2, 2), (9, 2), (12, 3), (20, 2)])
def test_against_a_loop(n, v):
    embeddings = draw(n, v)
    expected = slow(embeddings.double().numpy())
    assert (nearest_is_own(embeddings).numpy() == expected).all()
    assert measure(embeddings) == pytest.approx(expected.mean())


def test_the_draws_are_neither_all_found_nor_all_lost():
    assert 0.2 < slow(draw(20).double().numpy()).mean() < 0.8


def at(*degrees: float) -> list[list[float]]:
    return [[np.cos(np.radians(x)), np.sin(np.radians(x))] for x in degrees]


@pytest.mark.parametrize(
    ('angles', 'expected'),
    [
        ([(0, 10), (90, 100)], [[1, 1], [1, 1]]),
        # the second views are nearer to each other
        ([(0, 45), (100, 50)], [[1, 0], [1, 0]]),
        # views as near to a foreign one as to their own
        ([(0, 90), (180, 90)], [[0, 0], [0, 0]]),
        ([(30, 30), (30, 30)], [[0, 0], [0, 0]]),
    ],
)
def test_by_hand(angles, expected):
    rows = torch.tensor([at(*pair) for pair in angles])
    assert nearest_is_own(rows).int().tolist() == expected


def test_invariants():
    embeddings = draw(15)
    found = nearest_is_own(embeddings)
    lengths = torch.rand(15, 2, 1) + 0.1
    assert (nearest_is_own(embeddings * lengths) == found).all()
    turn = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64)).Q
    assert (nearest_is_own(embeddings.double() @ turn) == found).all()
    order = torch.randperm(15)
    assert (nearest_is_own(embeddings[order]) == found[order]).all()
    assert (nearest_is_own(embeddings.flip(1)) == found.flip(1)).all()


@pytest.mark.parametrize('dim', [2, 128, 511])
def test_collapsed_embeddings_find_nothing(dim):
    one = F.normalize(torch.randn(dim), dim=0)
    assert measure(one.expand(40, 2, dim)) == 0
    assert measure(torch.zeros(40, 2, dim)) == 0


def test_what_is_not_finite_finds_nothing():
    embeddings = draw(6, noise=0)
    assert nearest_is_own(embeddings).all()
    embeddings[2, 1] = torch.nan
    # nor can its partner find it
    assert not nearest_is_own(embeddings)[2].any()


@pytest.mark.parametrize(
    ('n', 'size', 'sizes'),
    [(10, 4, [5, 5]), (3, 2, [3]), (5, 64, [5]), (7, 2, [3, 2, 2])],
)
def test_groups_compete_among_themselves(n, size, sizes):
    embeddings = draw(n)
    parts = [slow(p.double().numpy()) for p in embeddings.split(sizes)]
    expected = np.concatenate(parts).mean()
    for batch in (1, 3, 100):
        value = measure(embeddings, batch, group_size=size)
        assert value == pytest.approx(expected)


@pytest.mark.parametrize('shape', [(1, 2, 3), (2, 1, 3), (4, 3), (0, 2, 3)])
def test_too_few_to_compare(shape):
    with pytest.raises(ValueError, match='at least 2 images and 2 views'):
        nearest_is_own(torch.ones(shape))
    if len(shape) == 3 and shape[0]:
        with pytest.raises(ValueError, match='at least 2 images'):
            measure(torch.ones(shape))


@pytest.mark.parametrize('size', [1, 0, -3])
def test_groups_of_one_are_refused(size):
    with pytest.raises(ValueError, match=f'at least 2 images, got {size}'):
        ContrastiveAccuracy(group_size=size)
