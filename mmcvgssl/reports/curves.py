"""Training curves of several runs in one figure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mmcvgssl.reports.figures import (
    figure,
    line_style,
    plain,
    rounded,
    thinned,
)
from mmcvgssl.reports.results import Result
from mmcvgssl.reports.section import Cell, Plot, Section, Table
from mmcvgssl.visualization.scalars import Scalars, read_scalars

_LEFT_OUT = {'epoch', 'data_time', 'base_lr'}
_TIMES = {'time'}
_MOST = 6  # columns of metrics


def section_of_curves(results: Sequence[Result]) -> Section:
    """Return losses and metrics of trainings.

    Raises:
        OSError: If a file cannot be read.
    """
    runs = {result.name: read_scalars(result.folder) for result in results}
    section = Section('Training curves')
    for scalars in runs.values():
        section.problems += scalars.damaged
    for name, scalars in runs.items():
        if not (scalars.training or scalars.validation):
            section.notes.append(f'{name} has logged no loss and no metric.')
    training = _figures(runs, False, 'iteration')
    if training:
        section.parts.append(Plot(training))
    # metrics are logged by epoch unless a training counts iterations alone
    by_epoch = any(s.epochs > 1 for s in runs.values())
    metrics = _figures(runs, True, 'epoch' if by_epoch else 'iteration')
    if metrics:
        section.parts.append(Plot(metrics))
    section.parts.append(_table(runs))
    return section


def _figures(
    runs: dict[str, Scalars], validation: bool, x: str
) -> dict[str, object]:
    names = _names(runs, validation)
    return {name: _figure(runs, validation, name, x) for name in names}


def _names(runs: dict[str, Scalars], validation: bool) -> list[str]:
    """Return names of values, the loss or the first metric first."""
    found = dict.fromkeys(
        name
        for scalars in runs.values()
        for name in scalars.names(validation)
        if name not in _LEFT_OUT and not (validation and name in _TIMES)
    )
    return sorted(found, key=lambda name: name != 'loss')


def _figure(
    runs: dict[str, Scalars], validation: bool, name: str, x: str
) -> object:
    traces = []
    for number, (run, scalars) in enumerate(runs.items()):
        rows = scalars.validation if validation else scalars.training
        steps = sorted(step for step, row in rows.items() if name in row)
        if not steps:
            continue
        chosen = [steps[i] for i in thinned(len(steps))]
        traces.append(
            {
                'type': 'scatter',
                'name': plain(run),
                'x': chosen,
                'y': rounded([rows[step][name] for step in chosen]),
                'mode': 'lines+markers' if validation else 'lines',
                'marker': {'size': 5},
                'line': line_style(number),
            }
        )
    return figure(traces, x, plain(name), showlegend=True)


def _table(runs: dict[str, Scalars]) -> Table:
    metrics = _names(runs, True)[:_MOST]
    head = ['run', 'iterations', 'epochs', 'last loss']
    head += [f'{name}, last' for name in metrics]
    rows: list[list[Cell]] = []
    for name, scalars in runs.items():
        last = max(scalars.training, default=None)
        loss = None if last is None else scalars.training[last].get('loss')
        row: list[Cell] = [name, last, scalars.epochs or None, _shown(loss)]
        for metric in metrics:
            row.append(_shown(_last(scalars, metric)))
        rows.append(row)
    return Table(head, rows)


def _last(scalars: Scalars, metric: str) -> float | None:
    steps = [s for s, row in scalars.validation.items() if metric in row]
    return scalars.validation[max(steps)][metric] if steps else None


def _shown(value: float | None) -> Cell:
    if value is None or not math.isfinite(value):
        return None
    return f'{value:.4g}'
