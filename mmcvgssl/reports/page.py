"""The page: one HTML file that asks for nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mmcvgssl.compat.hosts import require
from mmcvgssl.reports.section import Group, Plot, Section, Slider
from mmcvgssl.utils import json_value

# a file that begins so is a report, and may be written anew
MARK = '<!doctype html>\n<!-- mmcvgssl report -->'
_HOME = 'mmcvgssl.reports'
_NUMBER = re.compile(r'[-+]?[\d.]+(e[-+]\d+)?( ± [\d.]+)?')


def page_of(
    title: str, lines: Sequence[str], sections: Sequence[Section]
) -> bytes:
    """Return the page.

    All text is escaped, scripts are known by their digests, and the browser
    is told to load nothing: what stands in names of files and classes cannot
    act.

    Args:
        title: Heading.
        lines: Sentences below it.
        sections: In their order.

    Raises:
        ModuleNotFoundError: If there is a figure, and no plotly.
    """
    moving = any(
        isinstance(part, (Plot, Slider))
        for section in sections
        for part in section.parts
    )
    scripts = [_plotly(), _script(_text('page.js'))] if moving else []
    environment = Environment(
        loader=PackageLoader(_HOME, 'page'),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_whole,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests['numeric'] = _is_numeric
    made = environment.get_template('page.html').render(
        mark=Markup(MARK),
        title=title,
        lines=lines,
        sections=sections,
        digests=Markup(' '.join(map(_digest, scripts)) or "'none'"),
        scripts=scripts,
        style=Markup(_text('page.css')),
        data=_data(sections),
    )
    return made.encode('utf-8')


def _plotly() -> Markup:
    require('plotly')
    from plotly.offline import get_plotlyjs

    return _script(get_plotlyjs())


def _text(name: str) -> str:
    return (files(_HOME) / 'page' / name).read_text('utf-8')


def _script(text: str) -> Markup:
    # as browsers count a line's end, and nothing in it may end the script
    return Markup(text.replace('\r\n', '\n').replace('</script', '<\\/script'))


def _digest(text: str) -> str:
    raw = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(raw).decode()}'"


def _whole(value: Any) -> Any:
    """Escape half characters, which a name of a file may have."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return value.encode('utf-8', 'backslashreplace').decode()
    return '–' if value is None else value


def _is_numeric(cell: Any) -> bool:
    return cell is not None and _NUMBER.fullmatch(str(cell)) is not None


def _data(sections: Sequence[Section]) -> Markup:
    """Return figures and thresholds for the script, by section and part."""
    found: dict[str, Any] = {}
    for i, section in enumerate(sections):
        for k, part in enumerate(section.parts):
            if isinstance(part, Plot):
                shown = list(part.figures.values())
                found[f'{i}-{k}'] = _plot(shown, part.thumbs)
            elif isinstance(part, Slider):
                own = _plot([part.figure], ())
                found[f'{i}-{k}'] = own | {'slider': _slider(part)}
    text = json.dumps(json_value(found), allow_nan=False)
    # nothing in it may end the element that it stands in
    for sign in '<>&':
        text = text.replace(sign, f'\\u{ord(sign):04x}')
    return Markup(text)


def _plot(figures: Sequence[Any], thumbs: Sequence[str]) -> dict[str, Any]:
    return {
        'figures': [figure.to_plotly_json() for figure in figures],
        'thumbs': thumbs,
    }


def _slider(part: Slider) -> dict[str, Any]:
    return {
        'thresholds': part.thresholds,
        'detected': _group(part.detected),
        'falseAlarms': _group(part.false_alarms),
        'unknown': _group(part.unknown),
        'groups': [_group(group) for group in part.groups],
        'nouns': part.nouns,
        'per': part.per,
        'inclusive': part.inclusive,
    }


def _group(group: Group | None) -> dict[str, Any] | None:
    if group is None:
        return None
    return {'count': group.count, 'above': group.above}
