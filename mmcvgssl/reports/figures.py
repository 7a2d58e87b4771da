"""Figures in one quiet style."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmcvgssl.compat.hosts import require
from mmcvgssl.utils import evenly, printable

# told apart by people who see few colours, https://doi.org/10.1038/nmeth.1618
COLOURS = (
    *('#0072b2', '#d55e00', '#009e73', '#cc79a7'),
    *('#56b4e9', '#e69f00', '#7a5195', '#666666'),
)
GOOD, DEFECT, UNKNOWN = '#009e73', '#d55e00', '#0072b2'
_DASHES = 'solid', 'dash', 'dot', 'dashdot'
_GRID = '#e4e4e4'
_POINTS = 600  # of a curve, as many as a screen can show


def figure(
    traces: Sequence[Any],
    x: str = '',
    y: str = '',
    **layout: Any,
) -> Any:
    """Return a figure of plotly.

    Args:
        traces: Traces of plotly, or their dicts.
        x: Title of the axis.
        y: Title of the axis.
        **layout: Further layout.

    Raises:
        ModuleNotFoundError: If plotly is not installed.
    """
    require('plotly')
    import plotly.graph_objects as go

    axis = {'gridcolor': _GRID, 'zeroline': False, 'automargin': True}
    made = go.Figure(list(traces))
    made.update_layout(
        template='none',
        font={'family': 'system-ui, sans-serif', 'size': 13},
        margin={'l': 60, 'r': 20, 't': 20, 'b': 45},
        legend={'orientation': 'h', 'y': 1.02, 'yanchor': 'bottom'},
        hovermode='closest',
        colorway=COLOURS,
    )
    made.update_xaxes(title=x, **axis)
    made.update_yaxes(title=y, **axis)
    return made.update_layout(**layout)


def line_style(number: int) -> dict[str, Any]:
    """Return colour and dashes of the line of a number."""
    turn, colour = divmod(number, len(COLOURS))
    dash = _DASHES[turn % len(_DASHES)]
    return {'color': COLOURS[colour], 'dash': dash, 'width': 1.6}


def plain(name: str) -> str:
    """Return a name as plotly shows it as it is, which knows some tags."""
    shown = printable(name)
    for sign, code in (('&', '&amp;'), ('<', '&lt;'), ('>', '&gt;')):
        shown = shown.replace(sign, code)
    return shown


def thinned(count: int) -> list[int]:
    """Choose the points of a curve that are drawn, the last among them."""
    return evenly(count, _POINTS)


def rounded(values: Sequence[float], digits: int = 6) -> list[float]:
    """Return values with as many digits as a plot can show."""
    return [float(f'{value:.{digits}g}') for value in values]
