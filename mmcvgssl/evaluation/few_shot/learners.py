"""Three ways to learn classes from a few images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from torch import Tensor, nn

from mmcvgssl.evaluation.few_shot.propagation import propagate_labels

# the method's schedule for fine-tuning and linear evaluation
SCHEDULE = dict(
    lr=0.003, momentum=0.9, weight_decay=1e-4, epochs=100, batch_size=256
)

INVERSE_PENALTY = 100  # C of scikit-learn


def check_schedule(own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the default schedule with changed settings.

    Raises:
        ValueError: If one is out of range.
        KeyError: If one is unknown.
    """
    for name, value in own.items():
        if name not in SCHEDULE:
            raise KeyError(
                f'few_shot.schedule has no {name!r}, but {", ".join(SCHEDULE)}'
            )
        whole = isinstance(SCHEDULE[name], int)
        if (whole and (type(value) is not int or value < 1)) or value < 0:
            kind = 'a whole number from 1' if whole else 'a number from 0'
            raise ValueError(
                f'few_shot.schedule.{name}: expected {kind}, got {value!r}'
            )
    return {**SCHEDULE, **own}


def probe(
    train: np.ndarray,
    train_labels: np.ndarray,
    test: np.ndarray,
    test_labels: np.ndarray,
) -> float:
    """Fit a logistic regression; return its test accuracy in percent.

    Args:
        train: [n, D] features of the drawn images.
        test: [N, D] features of the test images.

    Example:
        >>> train = np.array([[1.0, 0.0], [0.0, 1.0]])
        >>> labels = np.array([0, 1])
        >>> test = np.array([[0.9, 0.1], [0.2, 0.8]])
        >>> probe(train, labels, test, labels)
        100.0
    """
    return accuracy(fit_probe(train, train_labels), test, test_labels)


def fit_probe(
    features: np.ndarray,
    labels: np.ndarray,
    unlabelled: np.ndarray | None = None,
    **options: Any,
) -> LogisticRegression:
    """Fit a logistic regression on features, L2-normalised here.

    Args:
        features: [n, D] features of labelled images.
        labels: [n] class indices; of a class that is not among them nothing
            is learned, and of a single class there is nothing to tell apart.
        unlabelled: [N, D] features of images that learn their labels from
            these, see :func:`propagate_labels`, and count by how sure they
            are; None: there are none.
        **options: Of :func:`propagate_labels`.
    """
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=2000)
    rows = _normalise(features)
    if len(np.unique(labels)) == 1:
        return DummyClassifier(strategy='most_frequent').fit(rows, labels)
    if unlabelled is None or not len(unlabelled):
        return model.fit(rows, labels)
    rows = np.concatenate([rows, _normalise(unlabelled)])
    present, codes = np.unique(labels, return_inverse=True)
    labelled = np.arange(len(labels))
    found, weights = propagate_labels(rows, labelled, codes, **options)
    reached = weights > 0
    return model.fit(rows[reached], present[found[reached]], weights[reached])


def accuracy(
    model: LogisticRegression, features: np.ndarray, labels: np.ndarray
) -> float:
    """Return the accuracy on features [n, D] in percent."""
    hits = model.predict(_normalise(features)) == labels
    return float(100 * hits.mean())


def balanced_accuracy(
    model: LogisticRegression, features: np.ndarray, labels: np.ndarray
) -> float:
    """Return the mean of the classes' accuracies in percent.

    Args:
        model: What :func:`fit_probe` returns.
        features: [n, D].
        labels: [n] class indices.
    """
    predicted = model.predict(_normalise(features))
    return float(100 * balanced_accuracy_score(labels, predicted))


def class_probabilities(
    train: np.ndarray, train_labels: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    """Fit a logistic regression; return probabilities of other images.

    Args:
        train: [n, D] features of labelled images.
        train_labels: [n] class indices.
        rows: [N, D] features of other images.

    Returns:
        [N, C], of the classes that are labelled, in ascending order.
    """
    return fit_probe(train, train_labels).predict_proba(_normalise(rows))


def train_classifier(
    model: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    evaluate: Callable[[nn.Module], float],
    schedule: dict,
    seed: int,
    every_epoch: bool = False,
) -> list[float]:
    """Train a classifier with SGD on a few examples in memory.

    Args:
        model: Maps a batch of ``inputs`` to logits.
        inputs: [n, ...] images or features.
        labels: [n] class indices.
        evaluate: Gives the test accuracy in percent.
        schedule: lr, momentum, weight_decay, epochs and batch_size.
        seed: Seed of the order of the examples.
        every_epoch: Evaluate after each epoch, not after the last alone.

    Returns:
        Accuracies; the last one is that of the last epoch.

    Example:
        >>> inputs, labels = torch.eye(2), torch.tensor([0, 1])
        >>> layer = linear_layer(2, n_classes=2, seed=0)
        >>> def evaluate(model):
        ...     hits = model(inputs).argmax(1) == labels
        ...     return 100 * float(hits.float().mean())
        >>> schedule = {**SCHEDULE, 'lr': 1.0, 'epochs': 20}
        >>> train_classifier(layer, inputs, labels, evaluate, schedule, seed=0)
        [100.0]
    """
    optimizer = torch.optim.SGD(
        (p for p in model.parameters() if p.requires_grad),
        lr=schedule['lr'],
        momentum=schedule['momentum'],
        weight_decay=schedule['weight_decay'],
    )
    order = torch.Generator().manual_seed(seed)
    accuracies = []
    for epoch in range(schedule['epochs']):
        model.train()
        shuffled = torch.randperm(len(inputs), generator=order)
        for rows in shuffled.split(schedule['batch_size']):
            loss = F.cross_entropy(model(inputs[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if every_epoch or epoch == schedule['epochs'] - 1:
            model.eval()
            accuracies.append(evaluate(model))
    return accuracies


def linear_layer(width: int, n_classes: int, seed: int) -> nn.Linear:
    """Make a classifier layer, small weights and no bias to begin with."""
    layer = nn.Linear(width, n_classes)
    generator = torch.Generator().manual_seed(seed)
    nn.init.normal_(layer.weight, std=0.01, generator=generator)
    nn.init.zeros_(layer.bias)
    return layer


def _normalise(features: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.maximum(norms, 1e-12)
