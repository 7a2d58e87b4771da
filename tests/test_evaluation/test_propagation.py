"""Propagation of labels against a dense solution."""

import numpy as np
import pytest

from mmcvgssl.evaluation.few_shot.learners import (
    accuracy,
    balanced_accuracy,
    fit_probe,
)
from mmcvgssl.evaluation.few_shot.propagation import propagate_labels


def clusters(seed, count=30, classes=3, spread=0.5):
    """Draw directions around one for each class, and their labels."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, 16))
    labels = np.repeat(np.arange(classes), count)
    rows = centres[labels] + spread * rng.normal(size=(len(labels), 16))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), labels


def by_hand(rows, labelled, labels, neighbours, damping, power, balance):
    """Solve the system of equations that label spreading iterates."""
    n, classes = len(rows), labels.max() + 1
    cosine = rows @ rows.T
    graph = np.zeros((n, n))
    for i in range(n):
        nearest = [j for j in np.argsort(-cosine[i]) if j != i][:neighbours]
        for j in nearest:
            graph[i, j] = graph[j, i] = cosine[i, j] ** power
    degree = graph.sum(1)
    spread = graph / np.sqrt(degree[:, None] * degree[None])
    start = np.zeros((n, classes))
    start[labelled, labels] = 1
    shares = np.linalg.solve(np.eye(n) - damping * spread, start)
    shares /= shares.sum(1, keepdims=True)
    shares /= shares.sum(0) ** balance
    shares /= shares.sum(1, keepdims=True)
    entropy = -(shares * np.log(shares)).sum(1) / np.log(classes)
    found, weights = shares.argmax(1), 1 - entropy
    found[labelled], weights[labelled] = labels, 1
    return found, weights


@pytest.mark.parametrize('seed', range(4))
@pytest.mark.parametrize(
    'settings', [(5, 0.99, 3, 1), (10, 0.99, 3, 0), (10, 0.9, 6, 0.5)]
)
def test_labels_spread_as_by_hand(seed, settings):
    rows, _ = clusters(seed, spread=1.0)
    labelled, labels = np.array([0, 30, 60]), np.array([0, 1, 2])
    found, weights = propagate_labels(rows, labelled, labels, *settings)
    expected, theirs = by_hand(rows, labelled, labels, *settings)
    assert (found == expected).mean() > 0.98
    assert weights == pytest.approx(theirs, abs=0.02)


def test_one_label_a_class_names_the_cluster():
    rows, truth = clusters(0)
    labelled = np.array([3, 40, 70])
    found, weights = propagate_labels(rows, labelled, truth[labelled])
    assert (found == truth).all()
    assert (weights[labelled] == 1).all()
    assert ((weights >= 0) & (weights <= 1)).all()


def test_the_usual_settings_are_those_of_the_benchmark():
    rows, _ = clusters(0, spread=1.0)
    labelled, labels = np.array([0, 30, 60]), np.array([0, 1, 2])
    usual = propagate_labels(rows, labelled, labels)
    stated = propagate_labels(rows, labelled, labels, 10, 0.9, 6, 0.5)
    assert (usual[0] == stated[0]).all()
    assert (usual[1] == stated[1]).all()


def test_balance_gives_rare_classes_their_due():
    # one class has ten times the images of the other, close around it
    rng = np.random.default_rng(0)
    rows = np.concatenate(
        [
            np.array([1, 0, 0]) + 0.3 * rng.normal(size=(200, 3)),
            np.array([0.6, 0.8, 0]) + 0.3 * rng.normal(size=(20, 3)),
        ]
    )
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    labelled, labels = np.array([0, 200]), np.array([0, 1])
    counts = [
        (propagate_labels(rows, labelled, labels, balance=b)[0] == 1).sum()
        for b in (0, 0.5, 1)
    ]
    assert counts == sorted(counts)
    assert counts[0] < counts[2]


def test_a_probe_learns_from_images_without_labels():
    rows, truth = clusters(1, spread=0.9)
    test, test_truth = clusters(1, spread=0.9)
    labelled = np.array([0, 30, 60])
    others = np.delete(rows, labelled, axis=0)
    alone = fit_probe(rows[labelled], truth[labelled])
    with_all = fit_probe(rows[labelled], truth[labelled], others)
    assert accuracy(with_all, test, test_truth) >= accuracy(
        alone, test, test_truth
    )
    none = fit_probe(rows[labelled], truth[labelled], others[:0])
    assert (none.coef_ == alone.coef_).all()


def test_an_image_that_no_label_reaches_counts_nothing():
    near, far = np.eye(8)[:4], -np.eye(8)[4:]
    near = near + 0.1 * np.eye(8)[1]
    rows = np.concatenate([near, far - 0.1 * np.eye(8)[5]])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    found, weights = propagate_labels(
        rows, np.array([0, 1]), np.array([0, 1]), neighbours=2
    )
    assert (weights[:2] == 1).all()
    assert (found[:2] == [0, 1]).all()
    assert np.isfinite(weights).all()
    assert (weights[4:] < 1e-6).all()


@pytest.mark.parametrize('count', [2, 3, 5])
def test_fewer_images_than_neighbours(count):
    rows, _ = clusters(2, count=5)
    found, weights = propagate_labels(
        rows[:count], np.array([0, 1]), np.array([0, 1])
    )
    assert len(found) == len(weights) == count


def test_balanced_accuracy_is_the_mean_of_classes():
    model = fit_probe(np.eye(2), np.array([0, 1]))
    rows = np.array([[1.0, 0.0]] * 9 + [[1.0, 0.0]])
    truth = np.array([0] * 9 + [1])
    assert accuracy(model, rows, truth) == 90
    assert balanced_accuracy(model, rows, truth) == 50
