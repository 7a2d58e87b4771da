"""Accuracy by number of labels, of several runs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmcvgssl.reports.figures import figure, line_style, plain, rounded
from mmcvgssl.reports.results import Result
from mmcvgssl.reports.section import Cell, Plot, Section, Table
from mmcvgssl.utils import printable, read_json


def section_of_few_shot(results: Sequence[Result]) -> Section:
    """Return few-shot accuracy as means, deviations and every draw."""
    section, found = Section('Few labels'), {}
    for result in results:
        file = result.folder / 'few_shot.json'
        try:
            content = read_json(file)
        except (OSError, ValueError) as error:
            section.problems.append(str(error))
            continue
        try:
            found[result.name] = _read(content)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            section.problems.append(
                f'{file}: expected what mmcvgssl few-shot writes, but '
                f'{type(error).__name__}: {error}'
            )
    if not found:
        return section
    tested = {_tested_on(content) for content in found.values()}
    if len(tested) > 1:
        section.notes.append(
            'The runs are tested on different images, so their accuracies '
            'cannot be compared: see lists, n_test and classes of their '
            'few_shot.json.'
        )
    section.notes.append(
        'Bars are standard deviations over the draws, points the draws.'
    )
    section.parts = [Plot({'': _figure(found)}), _table(found)]
    return section


def _read(content: dict[str, Any]) -> dict[str, Any]:
    """Check what is shown.

    Raises:
        KeyError: If something is missing.
        TypeError: If something is of another type.
        ValueError: If something is no number.
    """
    for shots, entry in content['shots'].items():
        int(shots), float(entry['mean']), float(entry['std'])
        entry['runs'] = [float(value) for value in entry['runs']]
    content['checkpoint'], content['mode']
    return content


def _tested_on(content: Mapping[str, Any]) -> str:
    lists = content.get('lists') or {}
    test = lists.get('test') or {}
    return str(
        (test.get('content'), content.get('n_test'), content.get('classes'))
    )


def _shots(content: Mapping[str, Any]) -> list[int]:
    return sorted(int(shots) for shots in content['shots'])


def _figure(found: Mapping[str, dict[str, Any]]) -> object:
    traces: list[dict[str, Any]] = []
    for number, (name, content) in enumerate(found.items()):
        line = line_style(number)
        shots = _shots(content)
        entries = [content['shots'][str(k)] for k in shots]
        label = plain(f'{name}: {content["mode"]}, {content["checkpoint"]}')
        traces.append(
            {
                'type': 'scatter',
                'name': label,
                'x': shots,
                'y': rounded([entry['mean'] for entry in entries]),
                'error_y': {
                    'array': rounded([entry['std'] for entry in entries]),
                    'thickness': 1.2,
                },
                'mode': 'lines+markers',
                'line': line,
                'hovertemplate': '%{x} labels: %{y:.1f} % ± '
                '%{error_y.array:.1f}<extra></extra>',
            }
        )
        pairs = [
            (k, v)
            for k, e in zip(shots, entries, strict=True)
            for v in e['runs']
        ]
        traces.append(
            {
                'type': 'scatter',
                'x': [k for k, _ in pairs],
                'y': rounded([value for _, value in pairs]),
                'mode': 'markers',
                'marker': {'color': line['color'], 'size': 4, 'opacity': 0.35},
                'hoverinfo': 'skip',
                'showlegend': False,
            }
        )
    ticks = sorted({k for content in found.values() for k in _shots(content)})
    return figure(
        traces,
        'labelled images a class',
        'accuracy, %',
        xaxis_type='log',
        xaxis_tickvals=ticks,
        xaxis_ticktext=[str(k) for k in ticks],
    )


def _table(found: Mapping[str, dict[str, Any]]) -> Table:
    ticks = sorted({k for content in found.values() for k in _shots(content)})
    head = ['run', 'mode', 'features', *(f'{k}-shot, %' for k in ticks)]
    head.append('draws')
    rows: list[list[Cell]] = []
    for name, content in found.items():
        row: list[Cell] = [
            name,
            printable(str(content['mode'])),
            printable(str(content['checkpoint'])),
        ]
        for k in ticks:
            entry = content['shots'].get(str(k))
            row.append(entry and f'{entry["mean"]:.1f} ± {entry["std"]:.1f}')
        counts = {len(e['runs']) for e in content['shots'].values()}
        row.append(
            ' to '.join(map(str, sorted({min(counts), max(counts)})))
            if counts
            else None
        )
        rows.append(row)
    return Table(head, rows)
