"""A threshold that moves in the page, and what it separates."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mmcvgssl.predictions import calls_defective
from mmcvgssl.reports.figures import figure
from mmcvgssl.reports.section import Group

_STEPS = 200  # evenly over the scores, and as many evenly over the images
_BINS = 60
_MOST = 20  # groups


def positions(scores: np.ndarray, chosen: float | None = None) -> list[float]:
    """Return thresholds that a slider stops at, ascending.

    All scores where there are few; else evenly over the range and over the
    images. The least is below all scores; that of the model is among them.

    Args:
        scores: [n], of at least one image or box.
        chosen: Threshold of the model.
    """
    distinct = np.unique(scores)
    low, high = float(distinct[0]), float(distinct[-1])
    span = max(high - low, abs(high) * 1e-6, 1e-12)
    if len(distinct) > 2 * _STEPS:
        shares = np.linspace(0, 1, _STEPS)
        # scores themselves, so that counts jump where the slider stops
        at = np.quantile(distinct, shares, method='nearest')
        distinct = np.union1d(at, low + shares * span)
    found = {low - span / 100, *distinct.tolist()}
    if chosen is not None:
        found.add(chosen)
    return sorted(found)


def count_above(
    scores: np.ndarray, thresholds: list[float], inclusive: bool = False
) -> list[int]:
    """Count scores [n] above each threshold, or also at it."""
    if inclusive:
        return [int((scores >= at).sum()) for at in thresholds]
    return [int(calls_defective(scores, at).sum()) for at in thresholds]


def groups_above(
    groups: Mapping[str, np.ndarray],
    thresholds: list[float],
    inclusive: bool = False,
) -> list[Group]:
    """Count each group above each threshold; the largest come first."""
    order = sorted(groups, key=lambda name: -len(groups[name]))
    return [
        Group(
            name,
            len(groups[name]),
            count_above(groups[name], thresholds, inclusive),
        )
        for name in order[:_MOST]
    ]


def histogram(
    parts: Mapping[str, tuple[np.ndarray, str]], x: str, y: str
) -> object:
    """Return a histogram, counted here, whatever the number of scores.

    Args:
        parts: Scores [n] and colour by name.
        x: Title of the axis.
        y: Title of the axis.
    """
    shown = {name: part for name, part in parts.items() if len(part[0])}
    whole = np.concatenate([scores for scores, _ in shown.values()])
    edges = np.histogram_bin_edges(whole, _BINS)
    width, middle = np.diff(edges), (edges[:-1] + edges[1:]) / 2
    bars = [
        {
            'type': 'bar',
            'name': f'{name} ({len(scores)})',
            'x': middle.tolist(),
            'y': np.histogram(scores, edges)[0].tolist(),
            'width': width.tolist(),
            'marker': {'color': colour},
            'opacity': 0.65,
            'hovertemplate': '%{x:.4g}: %{y}<extra></extra>',
        }
        for name, (scores, colour) in shown.items()
    ]
    return figure(bars, x, y, barmode='overlay', bargap=0)


def start_of(thresholds: list[float], chosen: float | None) -> int:
    """Return the index of the model's threshold, or of the middle."""
    if chosen is None:
        return len(thresholds) // 2
    return thresholds.index(chosen)
