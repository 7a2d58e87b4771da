"""Results that are tables: metrics of tests, stages of a pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mmcvgssl.datasets.reading import read_image
from mmcvgssl.reports.pictures import Pictures
from mmcvgssl.reports.results import Result, metrics_of
from mmcvgssl.reports.scores import draw_into
from mmcvgssl.reports.section import Card, Cell, Gallery, Section, Table
from mmcvgssl.utils import printable, read_json
from mmcvgssl.visualization.fitted import fitted

_SIDE = 1100  # pixels of a picture that shows many


def section_of_metrics(results: Sequence[Result]) -> Section:
    """Return metrics of tests side by side."""
    section = Section('Metrics of tests')
    found: dict[str, dict[str, Any]] = {}
    for result in results:
        # the folder of a test, or of several, of which the last one counts
        for run in (result.folder, *sorted(result.folder.glob('*/'))):
            file = metrics_of(run)
            if not file.is_file():
                continue
            try:
                found[result.name] = read_json(file)
            except (OSError, ValueError) as error:
                section.problems.append(str(error))
    names = dict.fromkeys(name for own in found.values() for name in own)
    rows: list[list[Cell]] = [
        [printable(name), *(_shown(own.get(name)) for own in found.values())]
        for name in names
    ]
    if rows:
        section.parts.append(Table(['metric', *found], rows))
    return section


def section_of_pipeline(result: Result, pictures: Pictures) -> Section:
    """Return the stages of a pipeline, and its pictures.

    Raises:
        OSError: If the summary cannot be read.
        ValueError: If it is something else; names it.
    """
    file = result.folder / 'summary.json'
    content = read_json(file)
    try:
        rows: list[list[Cell]] = []
        for name, stage in content['stages'].items():
            seconds = stage.get('seconds')
            minutes = None if seconds is None else f'{seconds / 60:.1f}'
            state = printable(str(stage['state']))
            rows.append([printable(name), state, minutes, _said(stage)])
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(
            f'{file}: expected what mmcvgssl pipeline writes, but '
            f'{type(error).__name__}: {error}'
        ) from error
    head = ['stage', 'state', 'minutes', '']
    section = Section(f'Pipeline: {result.name}', [Table(head, rows)])
    cards = []
    for drawn in sorted(result.folder.glob('pictures/*.jpg')):
        card = Card(printable(drawn.stem))
        draw_into(card, pictures, partial(_read, drawn))
        cards.append(card)
    if cards:
        section.parts.append(Gallery(cards, 'Pictures of its report'))
    return section


def _read(file: Path) -> np.ndarray:
    return fitted(read_image(str(file)), _SIDE)


def _said(stage: dict[str, Any]) -> str:
    """Return the numbers of a stage."""
    numbers = {
        key: value
        for key, value in {**stage, **(stage.get('metrics') or {})}.items()
        if isinstance(value, (int, float)) and key != 'seconds'
    }
    return ', '.join(
        f'{printable(key)} {_shown(value)}' for key, value in numbers.items()
    )


def _shown(value: Any) -> Cell:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None if value is None else printable(str(value))
    return f'{value:.4g}'
