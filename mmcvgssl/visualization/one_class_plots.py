"""Plots of a one-class detector's scores and embeddings."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import roc_auc_score, roc_curve

from mmcvgssl.predictions import calls_defective
from mmcvgssl.utils import atomic_write
from mmcvgssl.visualization.embedding import LEAST, embed

GOOD = 'tab:green'


def write_plots(
    images: Sequence[Mapping[str, Any]],
    threshold: float | None,
    folder: str | Path,
) -> list[Path]:
    """Write ``histogram.png`` and, if they can be drawn, two more.

    ``roc.png`` needs good and defective images, ``tsne.png`` a few images.

    Args:
        images: ``score``, ``label``, ``defect`` and ``embedding`` of each.
        threshold: Drawn into the histogram, and as a point of the ROC.
        folder: Where the files go.

    Returns:
        The files.
    """
    scores = np.array([image['score'] for image in images])
    labels = np.array([bool(image['label']) for image in images])
    figures = {'histogram': histogram(scores, labels, threshold)}
    if labels.any() and not labels.all():
        figures['roc'] = roc(scores, labels, threshold)
    if len(images) >= LEAST:
        rows = np.stack([image['embedding'] for image in images])
        names = [
            (image['defect'] or 'defect') if image['label'] else 'good'
            for image in images
        ]
        figures['tsne'] = tsne(rows, names)
    return [_save(f, Path(folder, f'{k}.png')) for k, f in figures.items()]


def histogram(
    scores: np.ndarray, labels: np.ndarray, threshold: float | None
) -> Figure:
    """Draw scores [n] of good and defective images."""
    figure, axes = _axes()
    edges = np.histogram_bin_edges(scores, 30)
    for value, name, colour in ((0, 'good', GOOD), (1, 'defect', 'tab:red')):
        part = scores[labels == value]
        if len(part):
            label = f'{name} ({len(part)})'
            axes.hist(part, edges, color=colour, alpha=0.6, label=label)
    if threshold is not None:
        text = f'threshold {threshold:.4g}'
        axes.axvline(threshold, color='black', linestyle='--', label=text)
    axes.set(xlabel='anomaly score', ylabel='images')
    axes.legend()
    return figure


def roc(
    scores: np.ndarray, labels: np.ndarray, threshold: float | None
) -> Figure:
    """Draw the receiver operating characteristic of scores [n]."""
    figure, axes = _axes()
    false_alarms, detected, _ = roc_curve(labels, scores)
    area = roc_auc_score(labels, scores)
    axes.plot(false_alarms, detected, label=f'AUROC {area:.3f}')
    axes.plot([0, 1], [0, 1], color='grey', linestyle=':')
    if threshold is not None:
        above = calls_defective(scores, threshold)
        point = above[~labels].mean(), above[labels].mean()
        axes.plot(*point, 'ko', label='at the threshold')
    axes.set(xlabel='false alarms', ylabel='detected', aspect='equal')
    axes.legend(loc='lower right')
    return figure


def tsne(rows: np.ndarray, names: Sequence[str]) -> Figure:
    """Draw embeddings [n, C] in two dimensions, by the defect's name."""
    points = embed(rows)
    figure, axes = _axes()
    kinds = sorted(set(names), key=lambda name: (name != 'good', name))
    for kind in kinds:
        part = points[[name == kind for name in names]]
        colour = GOOD if kind == 'good' else None
        axes.scatter(*part.T, s=12, color=colour, label=kind)
    axes.set(xticks=[], yticks=[], title='t-SNE of embeddings')
    axes.legend()
    return figure


def _axes() -> tuple[Figure, Any]:
    figure = Figure(figsize=(5, 4), layout='constrained')
    return figure, figure.add_subplot()


def _save(figure: Figure, path: Path) -> Path:
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=120, format='png')
    atomic_write(path, buffer.getvalue())
    return path
