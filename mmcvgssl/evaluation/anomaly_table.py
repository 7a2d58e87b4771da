"""Results of anomaly detection as a table."""

from __future__ import annotations

import math
from collections.abc import Mapping


def anomaly_table(metrics: Mapping[str, float], prefix: str = '') -> str:
    """Format the results of :class:`AnomalyMetric` as a Markdown table.

    Args:
        metrics: Results; other entries are left out.
        prefix: Of the metric.

    Returns:
        A row for each category, then their mean, in [0, 1].
    """
    start = f'{prefix}/' if prefix else ''
    own = {
        key.removeprefix(start): value
        for key, value in metrics.items()
        if key.startswith(start)
    }
    starts = 'image_', 'pixel_'
    columns = [k for k in own if k.startswith(starts) and '/' not in k]
    # classes of defects have AUROC alone
    ending = '/image_ap'
    names = [k.removesuffix(ending) for k in own if k.endswith(ending)]
    rows = [['category', *columns], ['---'] * (1 + len(columns))]
    rows += [
        [name, *(_cell(own[f'{name}/{key}']) for key in columns)]
        for name in names
    ]
    rows.append(['mean', *(_cell(own[key]) for key in columns)])
    return '\n'.join(f'| {" | ".join(row)} |' for row in rows) + '\n'


def _cell(value: float) -> str:
    return '–' if math.isnan(value) else f'{value:.3f}'
