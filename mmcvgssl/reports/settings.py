"""Configs, provenance and versions of results, and how they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmcvgssl import env
from mmcvgssl.provenance import RECORD, Provenance
from mmcvgssl.reports.results import Result
from mmcvgssl.reports.section import Cell, Section, Table, Text
from mmcvgssl.utils import printable

_MOST_ROWS = 400
_MOST_TEXT = 200_000  # characters of a config
_VERSION = 'version.'


def section_of_settings(results: Sequence[Result]) -> Section:
    """Return what results depend on, and where those of a kind differ."""
    section = Section('Settings, provenance and versions')
    folders = names_of(results)
    records: dict[str, Provenance] = {}
    for name, result in folders.items():
        try:
            found = Provenance.read(result.folder / RECORD)
        except (OSError, ValueError) as error:
            section.problems.append(str(error))
            continue
        if found is not None:
            records[name] = found
    without = [name for name in folders if name not in records]
    if without:
        section.notes.append(
            f'Without {RECORD}, which says what a result depends on: '
            f'{", ".join(without)}.'
        )
    section.parts.append(_versions(records))
    for kind in dict.fromkeys(result.kind for result in folders.values()):
        own = {n: r for n, r in records.items() if folders[n].kind == kind}
        if len(own) > 1:
            section.parts.append(_differences(kind, own))
    for name, record in records.items():
        section.parts.append(_record(name, record))
    for name, result in folders.items():
        for file in sorted(result.folder.glob('*.py')):
            section.parts.append(_config(name, file))
    return section


def _split(record: Provenance) -> tuple[dict[str, Any], dict[str, Any]]:
    """Divide values into versions of packages, and all others."""
    versions: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for name, value in record.values.items():
        start, found, package = name.rpartition(_VERSION)
        if found and start in ('', 'fit.'):
            versions.setdefault(package, value)
        else:
            others[name] = value
    return versions, others


def _versions(records: Mapping[str, Provenance]) -> Table:
    """Return versions of each result, and of what has made this page."""
    own = env.versions()
    columns = {name: _split(record)[0] for name, record in records.items()}
    packages = dict.fromkeys([*own, *(p for c in columns.values() for p in c)])
    rows: list[list[Cell]] = [
        [
            printable(package),
            own.get(package),
            *(_short(column.get(package)) for column in columns.values()),
        ]
        for package in packages
    ]
    head = ['package', 'this page', *columns]
    return Table(head, rows, 'Versions', folded=True)


def _differences(kind: str, records: Mapping[str, Provenance]) -> Table:
    values = [_split(record)[1] for record in records.values()]
    rows: list[list[Cell]] = []
    for key in sorted({key for own in values for key in own}):
        cells = [own.get(key) for own in values]
        if any(cell != cells[0] for cell in cells):
            rows.append([printable(key), *map(_short, cells)])
    title = f'Settings that differ, {kind} ({len(rows)})'
    if len(rows) > _MOST_ROWS:
        title += f', the first {_MOST_ROWS} of them'
    return Table(
        ['setting', *records], rows[:_MOST_ROWS], title, len(rows) > 12
    )


def _record(name: str, record: Provenance) -> Table:
    rows: list[list[Cell]] = [
        [printable(key), _short(value)]
        for key, value in sorted(_split(record)[1].items())
    ]
    rows += [
        [printable(key), f'{len(table)} files']
        for key, table in record.files.items()
    ]
    title = f'{name}: provenance, digest {record.digest}'
    if len(rows) > _MOST_ROWS:
        title += f', the first {_MOST_ROWS} of {len(rows)} values'
    return Table(['setting', 'value'], rows[:_MOST_ROWS], title, True)


def _config(name: str, file: Path) -> Text:
    text = file.read_bytes().decode('utf-8', 'backslashreplace')
    title = f'{name}: {printable(file.name)}'
    if len(text) > _MOST_TEXT:
        title += f', the first {_MOST_TEXT} characters'
    return Text(title, text[:_MOST_TEXT])


def _short(value: Any) -> Cell:
    if value is None:
        return None
    text = printable(value if isinstance(value, str) else repr(value))
    return text if len(text) <= 120 else f'{text[:117]}...'


def names_of(results: Sequence[Result]) -> dict[str, Result]:
    """Return a result of each folder by the name that it is shown by.

    One that has the name of another is called by its kind, too.
    """
    found: dict[str, Result] = {}
    for result in results:
        if any(other.folder == result.folder for other in found.values()):
            continue
        name = result.name
        if name in found:
            name = f'{name} ({result.kind})'
        found[name] = result
    return found
