"""What a check has found, as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mmcvgssl.utils import printable

if TYPE_CHECKING:
    from mmcvgssl.apis.checking.check_data import DataCheck

_FORMS = ('size', 'colours', 'depth', 'format')
_SHOWN = 3  # forms of a part


def check_text(found: DataCheck, out: str | None = None) -> str:
    """Return a summary of a check for people.

    Args:
        found: What it has found.
        out: Folder that the report is in.

    Example:
        >>> from mmcvgssl.apis import DataCheck
        >>> found = DataCheck({'train': {'images': 9}})
        >>> print(check_text(found).splitlines()[-1])
        0 errors, 0 warnings, 0 notes
    """
    lines = [*_aligned(part_table(found.parts)), *_forms(found.parts)]
    if found.findings:
        lines.append('')
    lines += [
        f'{finding.severity:<8}{finding.kind:<18}'
        f'{len(finding.examples) or "":>6}  {finding.summary()}'
        for finding in found.findings
    ]
    where = f'; pictures and all of them are in {out}' if out else ''
    lines.append(f'{found.summary()}{where}')
    return '\n'.join(lines)


def part_table(parts: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """Count images and boxes by class and part.

    Args:
        parts: See :class:`DataCheck`.

    Returns:
        A row each, of a name and a cell a part; the first one is the head.
    """
    rows = [['', *map(printable, parts)]]
    rows.append(['images', *(str(part['images']) for part in parts.values())])
    for what, start in (('classes', ''), ('boxes', 'boxes of ')):
        counts = [part.get(what, {}) for part in parts.values()]
        for label in dict.fromkeys(label for own in counts for label in own):
            cells = [str(own.get(label, '')) for own in counts]
            rows.append([f'{start}{printable(label)}', *cells])
    return rows


def _aligned(rows: list[list[str]]) -> Iterator[str]:
    first, *others = zip(*rows, strict=True)
    widths = [max(8, 2 + max(map(len, column))) for column in others]
    width = max(map(len, first))
    for name, *cells in rows:
        shown = [f'{c:>{w}}' for c, w in zip(cells, widths, strict=True)]
        yield f'{name:<{width}}{"".join(shown)}'


def _forms(parts: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name, part in parts.items():
        shown = []
        for form in _FORMS:
            counts = part.get(form, {})
            texts = [f'{value} ({n})' for value, n in counts.items()]
            more = len(texts) - _SHOWN
            rest = f' and {more} more' if more > 0 else ''
            if texts:
                shown.append(f'{", ".join(texts[:_SHOWN])}{rest}')
        if shown:
            yield f'{printable(name)}: {"; ".join(shown)}'
