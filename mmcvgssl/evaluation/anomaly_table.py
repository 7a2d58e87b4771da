"""Results of anomaly detection as a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

# what a threshold gives: shares of good and of defective images above it
RATES = ('false_alarms', 'detected')


def anomaly_table(metrics: Mapping[str, float], prefix: str = '') -> str:
    """Format the results of :class:`AnomalyMetric` as a Markdown table.

    Args:
        metrics: Results; other entries are left out.
        prefix: Prefix of the metric.

    Returns:
        A row for each category, then their mean, in [0, 1].

    Example:
        >>> metrics = {'image_auroc': 0.9, 'bottle/image_auroc': 0.9}
        >>> metrics |= {'image_ap': 0.8, 'bottle/image_ap': 0.8}
        >>> print(anomaly_table(metrics), end='')
        | category | image_auroc | image_ap |
        | --- | --- | --- |
        | bottle | 0.900 | 0.800 |
        | mean | 0.900 | 0.800 |
    """
    start = f'{prefix}/' if prefix else ''
    own = {
        key.removeprefix(start): value
        for key, value in metrics.items()
        if key.startswith(start)
    }
    starts = 'image_', 'pixel_', *RATES
    columns = [k for k in own if k.startswith(starts) and '/' not in k]
    # named defects have only AUROC
    ending = '/image_ap'
    names = [k.removesuffix(ending) for k in own if k.endswith(ending)]
    rows = {
        name: {key: own.get(f'{name}/{key}', math.nan) for key in columns}
        for name in names
    }
    return markdown_table(columns, {**rows, 'mean': own})


def markdown_table(
    columns: Sequence[str], rows: Mapping[str, Mapping[str, float]]
) -> str:
    """Format a row of values for each category; – stands for NaN."""
    lines = [['category', *columns], ['---'] * (1 + len(columns))]
    for name, row in rows.items():
        values = [row.get(key, math.nan) for key in columns]
        cells = ['–' if math.isnan(v) else f'{v:.3f}' for v in values]
        lines.append([name, *cells])
    return ''.join(f'| {" | ".join(line)} |\n' for line in lines)
