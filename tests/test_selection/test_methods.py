"""Choosing images worth labelling from their features."""

import tracemalloc

import numpy as np
import pytest
from sklearn.cluster import KMeans

from mmcvgssl.selection import clusters, select, uncertainty
from mmcvgssl.selection.clusters import Pool, _distinct
from mmcvgssl.selection.distances import by_coverage, k_centre
from mmcvgssl.selection.methods import METHODS

ALL = sorted(METHODS)


def blobs(sizes=(30, 10, 6), width=8, spread=0.02, seed=0):
    """Make features around directions that are far from each other."""
    random = np.random.RandomState(seed)
    rows, labels = [], []
    for i, size in enumerate(sizes):
        centre = np.eye(width)[i]
        rows.append(centre + spread * random.randn(size, width))
        labels += [i] * size
    return np.concatenate(rows), np.array(labels)


def pool_of(rows, known=(), weights=None):
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    marks = np.zeros(len(rows), bool)
    marks[list(known)] = True
    return Pool(
        rows, marks, np.ones(len(rows)) if weights is None else weights
    )


@pytest.mark.parametrize('method', ['kmeans', 'typical', 'uncertainty'])
@pytest.mark.parametrize('seed', [0, 1])
def test_each_cluster_is_named_once_the_largest_first(method, seed):
    rows, labels = blobs()
    chosen = select(rows, 3, method, seed)
    assert labels[chosen].tolist() == [0, 1, 2]


def test_kmeans_names_the_image_nearest_to_each_centre():
    rows, labels = blobs()
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    expected = []
    for i in range(3):
        members = np.flatnonzero(labels == i)
        mean = rows[members].mean(axis=0)
        gaps = [float(np.sum((rows[m] - mean) ** 2)) for m in members]
        expected.append(members[int(np.argmin(gaps))])
    assert select(rows, 3) == expected


def test_typical_names_a_dense_image_and_kmeans_a_central_one():
    dense = np.linspace(0.299, 0.301, 30)
    loose = np.linspace(-0.6, 0.1, 13)  # the last is nearest to the mean
    angles = np.concatenate([dense, loose])
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert select(rows, 1, 'kmeans') == [42]
    assert select(rows, 1, 'typical')[0] < 30


@pytest.mark.parametrize('seed', range(3))
def test_k_centre_is_the_greedy_one(seed):
    rows = np.random.RandomState(seed).randn(25, 5)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    known = [3, 7]
    near, expected = [*known], []
    for _ in range(6):
        gaps = [min(np.linalg.norm(r - rows[i]) for i in near) for r in rows]
        expected.append(int(np.argmax(gaps)))
        near.append(expected[-1])
    assert k_centre(pool_of(rows, known), 6) == expected
    assert select(rows, 6, 'kcentre', known=known) == expected


@pytest.mark.parametrize('seed', range(5))
def test_the_order_is_that_of_a_plain_greedy_cover(seed):
    random = np.random.RandomState(seed)
    rows = random.randn(40, 4)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    weights, known = random.rand(40) + 0.1, [0]
    chosen = random.choice(np.arange(1, 40), 9, replace=False).tolist()
    left, ordered, expected = [*chosen], [*known], []
    while left:

        def loss(i):
            cover = [*ordered, i]
            gaps = [
                min(((r - rows[j]) ** 2).sum() for j in cover) for r in rows
            ]
            return float(weights @ np.array(gaps))

        best = min(left, key=loss)
        left.remove(best)
        ordered.append(best)
        expected.append(best)
    assert by_coverage(pool_of(rows, known, weights), chosen) == expected


@pytest.mark.parametrize('method', ALL)
@pytest.mark.parametrize('budget', [1, 5, 40])
def test_the_budget_is_met_by_images_that_are_not_known(method, budget):
    rows, _ = blobs()
    known = [0, 1, 31, 44, 45, 45]
    chosen = select(rows, budget, method, 3, known)
    assert len({*chosen}) == budget
    assert not {*chosen} & {*known}
    assert chosen == select(rows, budget, method, 3, known)


@pytest.mark.parametrize('method', ALL)
def test_all_alike(method):
    assert len({*select(np.ones((6, 4)), 4, method)}) == 4
    assert len({*select(np.zeros((6, 4)), 5, method, known=[2])}) == 5
    assert select(np.ones((1, 3)), 1, method) == [0]


@pytest.mark.parametrize('method', ['kmeans', 'typical', 'kcentre'])
def test_what_is_known_is_covered(method):
    rows, labels = blobs()
    chosen = select(rows, 2, method, 0, known=[0])
    assert 0 not in labels[chosen][:1]
    assert {*labels[chosen].tolist()} == {1, 2}


@pytest.mark.parametrize('seed', range(4))
def test_strata_keep_shares(seed):
    rows, labels = blobs((90, 45, 27), spread=0.1)
    chosen = select(rows, 36, 'stratified', seed)
    for stop in (9, 18, 36):  # each start is a choice of its own
        counts = np.bincount(labels[chosen[:stop]], minlength=3)
        shares = np.array([90, 45, 27]) / 162 * stop
        assert np.abs(counts - shares).max() <= 1.5
    assert chosen != select(rows, 36, 'stratified', seed + 1)


def test_strata_count_what_is_known():
    rows, labels = blobs((60, 60), spread=0.1)
    known = np.flatnonzero(labels == 0)[:10].tolist()
    chosen = select(rows, 10, 'stratified', 0, known)
    assert np.bincount(labels[chosen], minlength=2).tolist() == [0, 10]


def test_strata_that_run_out_leave_the_rest_to_others():
    rows, _ = blobs((40, 3), spread=0.05)
    chosen = select(rows, 43, 'stratified')
    assert sorted(chosen) == list(range(43))


def test_weights_draw_the_choice():
    rows, labels = blobs()
    weights = np.where(labels == 2, 1.0, 1e-9)
    assert labels[select(rows, 1, 'kmeans', weights=weights)] == [2]
    assert labels[select(rows, 1, 'kcentre', weights=weights)] == [2]
    for seed in range(5):
        chosen = select(rows, 6, 'random', seed, weights=weights)
        assert {*labels[chosen].tolist()} == {2}


def test_features_count_by_direction():
    rows, _ = blobs()
    scales = np.linspace(0.1, 90, len(rows))[:, None]
    assert select(rows, 5) == select(rows * scales, 5)


def test_draws_differ_by_seed():
    rows, _ = blobs()
    draws = {tuple(select(rows, 5, 'random', seed)) for seed in range(6)}
    assert len(draws) == 6


@pytest.mark.parametrize(
    ('method', 'copies'), [('kcentre', 1.5), ('stratified', 3.5)]
)
@pytest.mark.parametrize('count', [6_000, 18_000])
def test_features_are_not_copied_more_than_they_have_to(method, copies, count):
    """Once to length 1, once by k-means, and for a moment to square them."""
    rows = np.random.RandomState(0).rand(count, 256).astype(np.float32)
    select(rows[:600], 3, method)  # what is imported late
    tracemalloc.start()
    select(rows, 3, method)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < copies * rows.nbytes


def test_features_that_repeat_are_counted_once():
    rows = np.repeat(np.eye(4), 5, axis=0)
    rows[::5] *= -1  # zeros with a sign
    rows[::5] += 2 * np.eye(4)
    assert _distinct(rows, 9) == 4
    assert _distinct(rows, 3) == 3


ROWS = np.eye(4)
BAD = [
    (dict(method='middle'), 'expected a method of kmeans'),
    (dict(budget=0), 'budget of 1 image or more, .* got 0'),
    (dict(budget=1.5), 'a whole number, got 1.5'),
    (dict(seed=-1), 'a seed of 0 to .* got -1'),
    (dict(budget=5), 'budget of 1 to 4, .* got 5'),
    (dict(budget=4, known=[1]), 'budget of 1 to 3'),
    (dict(features=np.full((4, 2), np.nan)), 'finite features'),
    (dict(features=np.ones(4)), r'features \[n, D\], got shape \(4,\)'),
    (dict(weights=np.ones(3)), 'for each of 4 images'),
    (dict(weights=np.zeros(4)), 'above 0'),
    (dict(weights=np.array([1, 1, np.inf, 1])), 'finite weight'),
]


@pytest.mark.parametrize(('options', 'match'), BAD)
def test_bad_input(options, match):
    with pytest.raises(ValueError, match=match):
        select(**{'features': ROWS, 'budget': 2, **options})


def test_uncertainty_is_what_the_margin_lacks():
    rows = np.array([[0.4, 0.35, 0.25], [1.0, 0.0, 0.0], [0.2, 0.7, 0.1]])
    assert uncertainty(rows) == pytest.approx([0.95, 1e-3, 0.5])


@pytest.mark.parametrize('method', ['kmeans', 'typical', 'kcentre'])
def test_many_features_of_few_images_choose_the_same(method):
    """Turned into a wider space, angles and distances are what they were."""
    random = np.random.RandomState(0)
    narrow = random.randn(30, 6) + 4 * np.eye(6)[np.arange(30) % 6]
    turned, _ = np.linalg.qr(random.randn(90, 6))
    wide = narrow @ turned.T
    assert select(wide, 6, method) == select(narrow, 6, method)


@pytest.mark.parametrize('most', [0, 1_500_000])
def test_centres_begin_as_those_of_scikit_learn(monkeypatch, most):
    """As k-means++ of weighted rows, from the same random numbers."""
    monkeypatch.setattr(clusters, '_WIDE', most)
    random = np.random.default_rng(0)
    rows = random.normal(size=(200, 16)).astype(np.float32)
    weights = random.uniform(0.1, 5, 200)
    theirs = KMeans(30, random_state=3, n_init=4)
    theirs.fit(rows, sample_weight=weights)
    pool = clusters.Pool(rows, np.zeros(200, bool), weights)
    monkeypatch.setattr(clusters, 'RESTARTS', 4)
    ours = clusters._cluster(pool, 30, 3)
    np.testing.assert_allclose(
        ours.cluster_centers_, theirs.cluster_centers_, atol=1e-5
    )
