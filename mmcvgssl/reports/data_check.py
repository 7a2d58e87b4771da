"""The page of a check of data, and all of its findings for scripts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmcvgssl.apis.checking import DataCheck, part_table
from mmcvgssl.datasets.checks import Example, Finding
from mmcvgssl.datasets.reading import UnreadableImageError, read_image
from mmcvgssl.locks import locked
from mmcvgssl.maps.box_files import Outputs
from mmcvgssl.provenance import make_room
from mmcvgssl.reports.page import page_of
from mmcvgssl.reports.pictures import Pictures
from mmcvgssl.reports.section import Card, Gallery, Section, Table
from mmcvgssl.utils import check_folder, json_value
from mmcvgssl.visualization.fitted import fitted
from mmcvgssl.visualization.side_by_side import side_by_side

PAGE, FINDINGS = 'report.html', 'findings.json'
_FORMS = ('size', 'colours', 'depth', 'format')
_SHOWN = 24  # examples of a finding
_LINES = 200  # of those without pictures
_TOGETHER = 4  # pictures of an example
_SIDE = 160  # pixels of a picture


def write_check(found: DataCheck, out: str | Path) -> list[str]:
    """Write ``report.html`` with pictures, and ``findings.json``.

    Files of another check move to the folder ``earlier``.

    Args:
        found: What :func:`mmcvgssl.apis.check_data` returns.
        out: Folder.

    Returns:
        Paths of the files.

    Raises:
        OSError: If a file cannot be written, saying which ones were.
        FolderInUseError: If another run writes there.

    Example:
        >>> from mmcvgssl.apis import check_data
        >>> found = check_data('test_images', features=None)
        >>> write_check(found, 'checked')
        ['checked/report.html', 'checked/findings.json']
    """
    out = Path(check_folder(out, 'out'))
    text = json.dumps(json_value(found.as_dict()), indent=1)
    line = f'{found.summary()}; {FINDINGS} beside this page has all of them.'
    files = {
        PAGE: page_of('Check of data', [line], [*_sections(found)]),
        # written last: if it exists, both files exist
        FINDINGS: f'{text}\n'.encode(),
    }
    outputs = Outputs()
    with locked(out):
        make_room(out, files, f'a check of data in {out}')
        for name, data in files.items():
            outputs.write(out / name, data)
    return outputs.written


def _sections(found: DataCheck) -> Iterator[Section]:
    pictures = Pictures()
    yield Section('Parts', [*_parts(found.parts)])
    rows = [
        (f.severity, f.kind, len(f.examples) or None, f.text)
        for f in found.findings
    ]
    head = ('severity', 'kind', 'number', 'finding')
    yield Section('Findings', [Table(head, rows)])
    for finding in found.findings:
        if finding.examples:
            yield _section(finding, pictures)


def _parts(parts: Mapping[str, Mapping[str, Any]]) -> Iterator[Table]:
    rows = part_table(parts)
    yield Table(rows[0], rows[1:])
    forms = [
        (
            name,
            part['source'],
            *map(_counts, (part.get(f, {}) for f in _FORMS)),
        )
        for name, part in parts.items()
    ]
    yield Table(('part', 'source', *_FORMS), forms)


def _counts(counts: Mapping[str, int]) -> str:
    shown = [f'{name}: {n}' for name, n in [*counts.items()][:12]]
    return ', '.join([*shown, *['...'] * (len(counts) > len(shown))])


def _section(finding: Finding, pictures: Pictures) -> Section:
    title = f'{finding.severity}: {finding.text}'
    notes = [finding.advice] if finding.advice else []
    count = len(finding.examples)
    if not any(example.files for example in finding.examples):
        lines = [(example.line,) for example in finding.examples[:_LINES]]
        said = f'{len(lines)} of {count}'
        return Section(title, [Table((said,), lines)], notes)
    cards = [_card(example, pictures) for example in finding.examples[:_SHOWN]]
    said = f'{len(cards)} of {count} are shown'
    return Section(title, [Gallery(cards, said)], notes)


def _card(example: Example, pictures: Pictures) -> Card:
    shown: list[np.ndarray] = []
    problem = '' if example.files else 'no picture'
    for file in example.files[:_TOGETHER]:
        try:
            shown.append(fitted(read_image(file, input_size=_SIDE), _SIDE))
        except UnreadableImageError:
            problem = 'an image cannot be read'
    picture = pictures.add(side_by_side(shown)) if shown else ''
    if shown and not picture:
        problem = 'left out for the size of the page'
    return Card(example.line, picture, problem=problem)
