"""Results of one-class detection as files and a table."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from mmcvgssl.evaluation.anomaly_table import RATES, markdown_table
from mmcvgssl.evaluation.operating_point import (
    OperatingPoint,
    detection_rate,
)
from mmcvgssl.utils import atomic_write, json_value, read_json

METRICS = (
    'image_auroc',
    'image_ap',
    'image_f1_max',
    'pixel_auroc',
    'pixel_aupro',
)


_EXPECTED = {
    'false_alarm_rate': 'expected_false_alarm_rate',
    'interval': 'interval',
}


def rates(
    images: Sequence[Mapping[str, Any]],
    point: OperatingPoint | None,
    chosen: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the rates at the threshold on the tested images.

    Args:
        images: Score and label of each.
        point: The threshold, which no tested image has part in.
        chosen: How it was chosen, see :func:`describe_choice`.

    Returns:
        ``threshold`` (what was expected of it), ``false_alarms`` and
        ``detected``, shares of the good and of the defective images; NaN
        where there are none.
    """
    out: dict[str, Any] = {'images': len(images), 'threshold': None}
    if point is not None:
        out['threshold'] = asdict(point)
        if chosen:
            out['threshold']['chosen'] = dict(chosen)
            # what was chosen in-sample has neither
            for key, other in _EXPECTED.items():
                out['threshold'][key] = chosen[other]
        for key, label in zip(RATES, (0, 1), strict=True):
            scores = [i['score'] for i in images if bool(i['label']) == label]
            out[key] = math.nan
            if scores:
                found = detection_rate(np.array(scores), point.threshold)
                out[key], out[f'{key}_interval'] = found.rate, found.interval
    return out


def write_category(
    result: Mapping[str, Any],
    images: Sequence[Mapping[str, Any]],
    path: Path,
) -> None:
    """Write ``scores.csv`` and, last, the result as JSON."""
    text = io.StringIO()
    fields = ['path', 'defect', 'label', 'score']
    writer = csv.DictWriter(text, fields, extrasaction='ignore')
    writer.writeheader()
    writer.writerows(images)
    # with names of files as they are
    data = text.getvalue().encode('utf-8', 'surrogateescape')
    atomic_write(path.parent / 'scores.csv', data)
    atomic_write(path, _to_json(result))


def read_result(path: Path) -> dict[str, Any]:
    """Read the result of a category; undefined values are NaN again."""
    result = read_json(path)
    for values in (result, result['metrics']):
        for key in values.keys() - {'threshold'}:
            if values[key] is None:
                values[key] = math.nan
    return result


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Format results as a Markdown table, a row for each category.

    The last row is the mean of what is defined.
    """
    columns = [
        key
        for key in (*METRICS, *RATES)
        if any(key in _row(result) for result in results.values())
    ]
    rows = {name: _row(result) for name, result in results.items()}
    rows['mean'] = mean_row(results)
    return markdown_table(columns, rows)


def mean_row(results: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Average each value over the categories where it is defined."""
    rows = [_row(result) for result in results.values()]
    means = {}
    for key in (*METRICS, *RATES):
        values = [
            row[key] for row in rows if not math.isnan(row.get(key, math.nan))
        ]
        means[key] = float(np.mean(values)) if values else math.nan
    return means


def write_table(
    results: Mapping[str, Mapping[str, Any]], folder: Path
) -> None:
    """Write ``results.md`` and ``results.json``."""
    text = table(results)
    document = {'categories': dict(results), 'mean': mean_row(results)}
    atomic_write(folder / 'results.md', text.encode())
    atomic_write(folder / 'results.json', _to_json(document))


def _to_json(value: Any) -> bytes:
    """Write what strict readers take, too: undefined values as null."""
    return f'{json.dumps(json_value(value), indent=2)}\n'.encode()


def _row(result: Mapping[str, Any]) -> dict[str, float]:
    of_rates = {key: result[key] for key in RATES if key in result}
    return {**result['metrics'], **of_rates}
