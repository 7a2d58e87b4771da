"""Thresholds of held-out boxes against a slow search."""

import numpy as np
import pytest

from mmcvgssl.evaluation.box_thresholds import (
    LEAST_BOXES,
    OWN,
    POOLED,
    BoxThresholds,
)


def box(x: float) -> list[float]:
    return [x, 0.0, x + 10.0, 10.0]


def counted(rows, labels, classes=('a',)) -> BoxThresholds:
    """Count an image for each row: class, score, and whether it fits."""
    chooser = BoxThresholds(classes)
    for index, score, fits in rows:
        truth = np.array([box(0.0 if fits else 100.0)])
        found = np.array([box(1.0)])
        chooser.add(found, np.array([score]), [index], truth, [index])
    extra = [labels[i] - int(n) for i, n in enumerate(chooser.labels)]
    for index, more in enumerate(extra):
        for _ in range(more):
            nothing = np.zeros((0, 4))
            chooser.add(
                nothing, np.zeros(0), [], np.array([box(0.0)]), [index]
            )
    return chooser


def searched(rows, labels, precision=None):
    """Try each score in turn."""
    found = []
    for _, cut, _ in rows:
        above = [fits for _, score, fits in rows if score >= cut]
        hits, count = sum(above), len(above)
        if count < LEAST_BOXES or not hits:
            continue
        share, recall = hits / count, hits / labels
        worth = 1.25 * share * recall / (0.25 * share + recall)
        if precision is None:
            found.append((worth, cut))
        elif share >= precision:
            found.append((-cut, cut))
    return max(found)[1] if found else None


@pytest.mark.parametrize('seed', range(6))
@pytest.mark.parametrize('precision', [None, 0.5, 0.8])
def test_the_best_threshold_is_found(seed, precision):
    rng = np.random.default_rng(seed)
    scores = rng.uniform(0.05, 1, 40).round(2)
    rows = [(0, s, bool(rng.random() < s)) for s in scores]
    chosen = counted(rows, [50]).choose(precision)[0]
    assert chosen.source == OWN
    assert chosen.score == searched(rows, 50, precision)
    if chosen.score is not None:
        above = [fits for _, s, fits in rows if s >= chosen.score]
        assert chosen.precision == pytest.approx(np.mean(above))
        assert chosen.recall == pytest.approx(sum(above) / 50)


def test_a_class_with_few_labels_takes_that_of_all():
    rows = [(0, 0.5 + i / 100, True) for i in range(12)]
    rows += [(1, 0.1, True), (1, 0.2, False)]
    many, few, none = counted(rows, [12, 3, 0], ('a', 'b', 'c')).choose(0.9)
    assert (many.source, many.score) == (OWN, 0.5)
    assert few.source == none.source == POOLED
    assert few.score == none.score == searched(rows, 15, 0.9)
    assert (few.labels, none.labels) == (3, 0)


@pytest.mark.parametrize(
    ('rows', 'precision'),
    [
        ([], None),
        ([(0, 0.9, False)] * 20, None),
        ([(0, 0.9, i % 2 > 0) for i in range(20)], 0.6),
        ([(0, 0.9, True)] * 4, None),  # too few to believe
    ],
)
def test_no_threshold_where_boxes_do_not_fit(rows, precision):
    assert counted(rows, [20]).choose(precision)[0].score is None


def test_a_box_of_another_class_does_not_fit():
    chooser = BoxThresholds(['a', 'b'])
    one = np.array([box(0.0)])
    for _ in range(10):
        chooser.add(one, np.array([0.9]), [0], one, [1])
    assert [own.score for own in chooser.choose()] == [None, None]


@pytest.mark.parametrize('precision', [0, -1, 1.1])
def test_a_precision_is_a_share(precision):
    with pytest.raises(ValueError, match='a precision is a share'):
        BoxThresholds(['a']).choose(precision)
