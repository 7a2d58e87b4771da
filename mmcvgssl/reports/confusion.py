"""Confusion matrices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmcvgssl.reports.figures import figure, plain
from mmcvgssl.reports.section import Cell, Plot, Table
from mmcvgssl.utils import printable

_MOST_WRITTEN = 30  # classes up to which counts stand in the cells


def confusion(
    truth: Sequence[str], predicted: Sequence[str], classes: Sequence[str]
) -> tuple[Plot, Table]:
    """Return a confusion matrix, and precision and recall of each class.

    Args:
        truth: Names of the classes [n], at least one.
        predicted: Predicted names [n].
        classes: Names that the model knows, in its order.
    """
    names = [n for n in classes if n in {*truth, *predicted}]
    names += sorted({*truth, *predicted} - {*names})
    at = {name: i for i, name in enumerate(names)}
    counts = np.zeros((len(names), len(names)), int)
    for true, said in zip(truth, predicted, strict=True):
        counts[at[true], at[said]] += 1
    return _plot(counts, names), _table(counts, names)


def _plot(counts: np.ndarray, names: list[str]) -> Plot:
    of_row = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    # by index, as two names may be shown alike
    at = list(range(len(names)))
    shown = [plain(name) for name in names]
    heat = {
        'type': 'heatmap',
        'x': at,
        'y': at,
        'z': of_row.round(4).tolist(),
        'zmin': 0,
        'zmax': 1,
        'colorscale': [[0, '#ffffff'], [1, '#0072b2']],
        'xgap': 1,
        'ygap': 1,
        'showscale': False,
        'customdata': [
            [f'{n} of {row.sum()}' for n in row.tolist()] for row in counts
        ],
        'hovertemplate': 'share %{z:.1%}: %{customdata}<extra></extra>',
    }
    if len(names) <= _MOST_WRITTEN:
        heat['text'] = [[str(n) if n else '' for n in row] for row in counts]
        heat['texttemplate'] = '%{text}'
    ticks = {'tickvals': at, 'ticktext': shown, 'showgrid': False}
    made = figure([heat], 'predicted', 'truth')
    made.update_xaxes(**ticks, tickangle=-35)
    made.update_yaxes(**ticks, autorange='reversed')
    return Plot({'': made}, height=min(220 + 34 * len(names), 900))


def _table(counts: np.ndarray, names: list[str]) -> Table:
    rows: list[list[Cell]] = []
    recalls = []
    for i, name in enumerate(names):
        right, of, said = counts[i, i], counts[i].sum(), counts[:, i].sum()
        if of:
            recalls.append(right / of)
        rows.append(
            [
                printable(name),
                int(of),
                _percent(right, of),
                _percent(right, said),
            ]
        )
    right, n = int(np.trace(counts)), int(counts.sum())
    title = (
        f'accuracy {_percent(right, n)} % of {n} images, balanced '
        f'{100 * float(np.mean(recalls)):.1f} %'
    )
    return Table(['class', 'images', 'recall, %', 'precision, %'], rows, title)


def _percent(part: int, whole: int) -> Cell:
    return f'{100 * part / whole:.1f}' if whole else None
