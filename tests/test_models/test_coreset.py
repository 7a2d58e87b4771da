"""The coreset against plain greedy k-centre; the pool's sample."""

import numpy as np
import pytest
import torch

from mmcvgssl.models.anomaly import coreset
from mmcvgssl.models.anomaly.coreset import PatchPool, greedy_coreset
from mmcvgssl.models.anomaly.neighbours import nearest_patches


def slow_coreset(patches: torch.Tensor, size: int, first: int) -> list[int]:
    """Take the farthest again and again."""
    rows = patches.double()
    chosen = [first]
    while len(chosen) < size:
        distances = torch.cdist(rows, rows[chosen]).min(1).values
        distances[chosen] = -1
        chosen.append(int(distances.argmax()))
    return chosen


@pytest.mark.parametrize('n', [30, 700, 1500])
@pytest.mark.parametrize('width', [2, 24])
def test_coreset_is_that_of_the_plain_method(n, width):
    torch.manual_seed(n + width)
    patches = torch.randn(n, width) + 5
    ours = greedy_coreset(patches, 25, seed=3).tolist()
    assert ours == slow_coreset(patches, 25, ours[0])


def test_coreset_of_clusters_takes_one_of_each():
    torch.manual_seed(0)
    centres = torch.eye(6) * 50
    patches = centres.repeat(40, 1) + torch.rand(240, 6)
    chosen = greedy_coreset(patches, 6, seed=1)
    assert sorted((chosen % 6).tolist()) == list(range(6))


def test_coreset_of_equal_patches_names_none_twice():
    chosen = greedy_coreset(torch.ones(900, 4), 700)
    assert len(set(chosen.tolist())) == 700


@pytest.mark.parametrize(('n', 'size'), [(5, 5), (5, 9)])
def test_a_small_set_is_its_own_coreset(n, size):
    chosen = greedy_coreset(torch.randn(n, 3), size)
    assert chosen.tolist() == list(range(n))


@pytest.mark.parametrize(
    ('patches', 'size'), [(torch.randn(4, 2), 0), (torch.zeros(0, 2), 3)]
)
def test_coreset_refuses(patches, size):
    with pytest.raises(ValueError, match='positive coreset size and patches'):
        greedy_coreset(patches, size)


def test_coreset_reports_its_progress():
    counts = []
    greedy_coreset(torch.randn(400, 5), 100, progress=counts.append)
    assert sum(counts) == 99  # the first is there from the start


def test_pool_is_bounded_and_uniform():
    kept = np.zeros(3000)
    for seed in range(40):
        pool = PatchPool(300, seed)
        for part in torch.arange(3000.0)[:, None].split(170):
            pool.add(part)
            assert len(pool._keys) == len(pool._rows) <= 375
        sample = pool.patches()[:, 0].long()
        assert len(sample) == len(set(sample.tolist())) == 300
        kept[sample] += 1
    thirds = kept.reshape(3, 1000).sum(1)
    # 4,000 expected in each third, standard deviation about 49
    assert abs(thirds - 4000).max() < 250


@pytest.mark.parametrize('size', [1, 3, 64, 5000])
def test_the_sample_does_not_depend_on_how_patches_come(size):
    patches = torch.arange(6000.0)[:, None] * torch.tensor([1.0, -1.0])
    samples = []
    for length in (1, 4, 700, 6000):
        pool = PatchPool(size, seed=1)
        for part in patches.split(length):
            pool.add(part)
        assert pool.seen == 6000
        samples.append(pool.patches())
    for sample in samples:
        assert torch.equal(sample, samples[0])


def test_a_pool_takes_no_more_memory_than_it_needs():
    pool = PatchPool(10**9)
    for part in torch.arange(600.0)[:, None].split(60):
        pool.add(part)
    assert len(pool._rows) <= 1200
    assert len(pool.patches()) == 600


@pytest.mark.parametrize('size', [4, 40])
def test_a_pool_goes_on_with_any_number_of_patches(size):
    """Also with more than it would have room for, and beside the given."""
    patches = torch.arange(200.0)[:, None]
    whole = PatchPool(100, seed=2)
    whole.add(patches[:90])
    state = whole.state_dict()
    rows = state['rows'].clone()
    pool = PatchPool(size, seed=2)
    pool.load_state_dict(state)
    for part in patches[90:].split(7):
        pool.add(part)
    assert len(pool.patches()) == size
    assert pool.seen == 200
    assert torch.equal(state['rows'], rows)


def test_pool_gives_all_of_a_short_stream():
    pool = PatchPool(100)
    pool.add(torch.arange(30.0)[:, None])
    pool.add(torch.arange(30.0, 60.0)[:, None])
    assert sorted(pool.patches()[:, 0].tolist()) == list(range(60))


@pytest.mark.parametrize('k', [1, 4])
def test_nearest_patches(k, monkeypatch):
    monkeypatch.setattr('mmcvgssl.models.anomaly.neighbours._BLOCK', 64)
    torch.manual_seed(0)
    rows, memory = torch.randn(50, 6), torch.randn(20, 6)
    distances, indices = nearest_patches(rows, memory, k)
    table = torch.cdist(rows.double(), memory.double()).sort(1)
    torch.testing.assert_close(
        distances, table.values[:, :k].float(), atol=1e-4, rtol=1e-4
    )
    assert torch.equal(indices, table.indices[:, :k])


def test_a_coreset_needs_no_table_of_all_distances(monkeypatch):
    patches = torch.rand(500, 6, generator=torch.Generator().manual_seed(0))
    whole = greedy_coreset(patches, 200)
    sizes = []
    given = coreset.linear

    def linear(rows, others, bias):
        sizes.append(len(rows))
        return given(rows, others, bias)

    monkeypatch.setattr(coreset, 'linear', linear)
    monkeypatch.setattr(coreset, '_CANDIDATES', 16)
    monkeypatch.setattr(coreset, '_BLOCK', 64)
    assert torch.equal(greedy_coreset(patches, 200), whole)
    # one column of all rows at first
    assert max(sizes[1:]) <= 64
