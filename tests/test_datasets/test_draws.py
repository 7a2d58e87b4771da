"""Draws: k of each class, fixed by the seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmcvgssl.datasets.draws import draw_seed, draw_shots

LABELS = [2, 0, 1, 1, 0, 2, 2, 0, 1, 0]


@settings(max_examples=40, deadline=None)
@given(
    counts=st.lists(st.integers(3, 9), min_size=1, max_size=5),
    shots=st.integers(1, 3),
    seed=st.integers(0, 2**31),
)
def test_each_class_gives_k_images_without_repeats(counts, shots, seed):
    labels = np.repeat(np.arange(len(counts)), counts)
    np.random.RandomState(seed).shuffle(labels)
    drawn = draw_shots(labels, shots, seed)
    assert len(set(drawn.tolist())) == shots * len(counts)
    assert labels[drawn].tolist() == [
        c for c in range(len(counts)) for _ in range(shots)
    ]
    assert np.array_equal(draw_shots(labels, shots, seed), drawn)


def test_the_draw_is_that_of_the_published_protocol():
    generator = np.random.RandomState(3)
    expected = []
    for label in range(3):
        of_class = [i for i, y in enumerate(LABELS) if y == label]
        expected += list(generator.choice(of_class, 2, replace=False))
    assert draw_shots(LABELS, 2, 3).tolist() == expected


def test_seeds_draw_differently():
    draws = {tuple(draw_shots(LABELS, 2, seed)) for seed in range(10)}
    assert len(draws) > 5


def test_runs_of_all_seeds_are_draws_of_their_own():
    assert [draw_seed(0, run) for run in range(10)] == list(range(10))
    pairs = [(seed, run) for seed in range(60) for run in range(10)]
    assert len({draw_seed(*pair) for pair in pairs}) == len(pairs)
    labels = np.repeat(np.arange(3), 50)
    draws = {tuple(draw_shots(labels, 4, draw_seed(*pair))) for pair in pairs}
    assert len(draws) == len(pairs)
    assert all(draw_seed(10**6, run) < 2**32 for run in range(10))


@pytest.mark.parametrize(
    ('shots', 'names', 'message'),
    [
        (4, ['dent', 'rust', 'hole'], r'4 images.*rust has 3; hole has 3'),
        (4, None, r'1 has 3; 2 has 3'),
        (5, ['dent', 'rust', 'hole'], 'dent has 4'),
        (0, None, 'at least 1'),
    ],
)
def test_too_few_images_are_named_by_class(shots, names, message):
    with pytest.raises(ValueError, match=message):
        draw_shots(LABELS, shots, 0, names)
