"""One page about what work directories hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from mmcvgssl.compat.hosts import require
from mmcvgssl.datasets.reading import UnreadableImageError
from mmcvgssl.reports import results as kinds
from mmcvgssl.reports.anomaly import (
    section_of_one_class,
    section_of_predicted,
)
from mmcvgssl.reports.classes import section_of_classes
from mmcvgssl.reports.curves import section_of_curves
from mmcvgssl.reports.detections import section_of_detections
from mmcvgssl.reports.embeddings import Shown, section_of_embeddings
from mmcvgssl.reports.few_shot import section_of_few_shot
from mmcvgssl.reports.page import MARK, page_of
from mmcvgssl.reports.pictures import Pictures
from mmcvgssl.reports.predicted import Predicted, read_predicted
from mmcvgssl.reports.pseudo_boxes import section_of_boxes, section_of_joined
from mmcvgssl.reports.results import KINDS, Result, Results, find_results
from mmcvgssl.reports.section import Section
from mmcvgssl.reports.settings import section_of_settings
from mmcvgssl.reports.tables import section_of_metrics, section_of_pipeline
from mmcvgssl.reports.truth import ANOMALY, CLASSIFIER, DETECTOR, Truth
from mmcvgssl.utils import atomic_write, check_file, check_least, printable
from mmcvgssl.version import __version__

_OF_KIND = {
    ANOMALY: section_of_predicted,
    CLASSIFIER: section_of_classes,
    DETECTOR: section_of_detections,
}


@dataclass(frozen=True)
class Report:
    """A page that has been written.

    Args:
        file: The page.
        found: Number of results by kind.
        lacking: Kinds that the work directories do not hold.
        notes: What could not be read or is not finished, a sentence each.
        pictures: Number of pictures in the page.
        size: Bytes of the page.

    Example:
        >>> Report(Path('report.html'), {'training': 1}, [], [], 0, 5).found
        {'training': 1}
    """

    file: Path
    found: dict[str, int]
    lacking: list[str]
    notes: list[str]
    pictures: int
    size: int


@dataclass
class _Inputs:
    """What sections are made from."""

    results: Results
    images: Path | None
    truth: Truth | None
    pictures: Pictures
    notes: list[str] = field(default_factory=list)


def write_report(
    work_dirs: Sequence[str | Path],
    out: str | Path = 'report.html',
    truth: str | Path | None = None,
    images: str | Path | None = None,
    features: str | Path | None = None,
    encoding: str = '',
    pictures: int = 48,
    points: int = 500,
    megabytes: int = 20,
    device: str | None = None,
    workers: int | None = None,
) -> Report:
    """Write one HTML file about all results of work directories.

    Nothing is trained or predicted anew. What is there is shown, what is not
    is said. The page asks for nothing from elsewhere.

    Args:
        work_dirs: Folders of results, searched in any nesting.
        out: The page; another report of this name is replaced.
        truth: What is true of predicted images, see
            :class:`~mmcvgssl.reports.truth.Truth`.
        images: Folder that the images are in, where they have moved, or
            where results do not say it.
        features: Model whose embeddings of predicted images are shown, see
            :class:`~mmcvgssl.apis.FeatureExtractor`.
        encoding: Encoding of a list of the truth.
        pictures: Most pictures of a gallery.
        points: Most images that embeddings are shown of.
        megabytes: Most megabytes of all pictures together.
        device: Device of the model of the embeddings.
        workers: Processes that read images for it.

    Raises:
        FileNotFoundError: If something named is missing.
        ModuleNotFoundError: If plotly is not installed.
        OSError: If the page cannot be written.
        ValueError: If there is no result, the truth fits none of them, an
            option is out of range, or another file has the page's name.

    Example:
        >>> run = Path('work_dirs/surface/1/vis_data/scalars.json')
        >>> run.parent.mkdir(parents=True, exist_ok=True)
        >>> written = run.write_text('{"loss": 1.0, "iter": 1, "step": 1}')
        >>> write_report(['work_dirs/surface'], 'surface.html').found
        {'training': 1}
    """
    require('plotly')
    out = Path(out)
    _check_target(out)
    check_least(points=(points, 1))
    home = None if images is None else Path(images)
    if home is not None and not home.is_dir():
        raise FileNotFoundError(
            'expected the folder of the images as --images, found no '
            f'{printable(str(images))}'
        )
    inputs = _Inputs(
        find_results(work_dirs),
        home,
        None if truth is None else Truth(truth, home, encoding),
        Pictures(megabytes, pictures),
    )
    sections, predicted = _sections(inputs)
    if inputs.truth is not None and not inputs.truth.matched:
        raise inputs.truth.problem or ValueError(
            f'--truth {printable(str(truth))} is of no use: the work '
            'directories hold no predictions or boxes: leave it out, or '
            'predict first'
        )
    if features is not None:
        shown = [_shown(own) for own in predicted if own.rows]
        if not shown:
            raise ValueError(
                f'--features {printable(str(features))} is of no use: the '
                'work directories hold no predictions, whose images it would '
                'embed: predict first, or leave it out'
            )
        sections += [
            section_of_embeddings(
                *(own, features, inputs.pictures, points, device, workers)
            )
            for own in shown
        ]
    sections.append(section_of_settings(inputs.results.found))
    return _write(out, inputs, sections, work_dirs, features)


def _check_target(out: Path) -> None:
    check_file(out, '--out')
    if out.exists():
        with out.open('rb') as file:
            start = file.read(len(MARK))
        if start != MARK.encode():
            raise ValueError(
                f'{printable(str(out))} is there, and is no report of '
                'mmcvgssl: choose another name as --out, or move it away'
            )


def _sections(inputs: _Inputs) -> tuple[list[Section], list[Predicted]]:
    """Return all sections but those that a model computes."""
    of = inputs.results.of
    home, pictures = inputs.images, inputs.pictures
    made: list[Section] = []
    for result in of(kinds.PIPELINE):
        _try(inputs, made, partial(section_of_pipeline, result))
    for kind, tables in (
        (kinds.TRAINING, section_of_curves),
        (kinds.METRICS, section_of_metrics),
        (kinds.FEW_SHOT, section_of_few_shot),
    ):
        if of(kind):
            _try(inputs, made, partial(tables, of(kind)))
    predicted = []
    for result in of(kinds.PREDICTIONS):
        own = _predicted(inputs, result)
        if own is not None:
            predicted.append(own)
            _try(inputs, made, partial(_OF_KIND[own.kind], own, pictures))
    for result in of(kinds.ONE_CLASS):
        show = partial(section_of_one_class, result, home, pictures)
        _try(inputs, made, show)
    for kind, boxes in (
        (kinds.BOXES, section_of_boxes),
        (kinds.JOINED, section_of_joined),
    ):
        for result in of(kind):
            more = home, inputs.truth, pictures
            _try(inputs, made, partial(boxes, result, *more))
    return made, predicted


def _try(
    inputs: _Inputs, made: list[Section], make: Callable[[], Section]
) -> None:
    """Add a section; what cannot be read is said, and the others shown."""
    try:
        made.append(make())
    except UnreadableImageError:
        raise
    except (OSError, ValueError) as error:
        inputs.notes.append(str(error))


def _predicted(inputs: _Inputs, result: Result) -> Predicted | None:
    try:
        found = read_predicted(result, inputs.images)
    except (OSError, ValueError) as error:
        inputs.notes.append(str(error))
        return None
    found.truth = [None] * len(found.rows)
    if inputs.truth is not None and found.rows:
        files = [str(found.source.locate(path)) for path in found.paths]
        found.truth = inputs.truth.fit(found.kind, files, inputs.notes)
    if found.errors:
        inputs.notes.append(
            f'{result.name}: {len(found.errors)} of '
            f'{len(found.errors) + len(found.rows)} images could not be '
            f'predicted; {found.errors[0]}'
        )
    return found


def _shown(own: Predicted) -> Shown:
    known = [true is not None for true in own.truth]
    column = {ANOMALY: 'verdict', CLASSIFIER: 'label', DETECTOR: 'label'}
    said = [str(row.get(column[own.kind]) or 'none') for row in own.rows]
    names = [t.name if t else 'not known' for t in own.truth]
    number = 'probability' if own.kind == CLASSIFIER else 'score'
    return Shown(
        own.result.name,
        own.source,
        own.paths,
        names if any(known) else said,
        'truth' if any(known) else 'prediction',
        [row.get(number) or 0.0 for row in own.rows],
        number,
    )


def _write(
    out: Path,
    inputs: _Inputs,
    sections: list[Section],
    work_dirs: Sequence[str | Path],
    features: str | Path | None,
) -> Report:
    results, pictures = inputs.results, inputs.pictures
    found = {kind: len(results.of(kind)) for kind in KINDS}
    found = {kind: count for kind, count in found.items() if count}
    lacking = [kind for kind in KINDS if kind not in found]
    missing = Section('What is missing')
    missing.notes += [*results.notes, *inputs.notes]
    notes = [*missing.notes, *(n for s in sections for n in s.problems)]
    missing.notes += [f'No {KINDS[kind]}.' for kind in lacking]
    if features is None:
        missing.notes.append(
            'No embeddings: --features MODEL computes them for predicted '
            'images.'
        )
    sections.append(missing)
    shown = ', '.join(printable(str(folder)) for folder in work_dirs)
    counts = ', '.join(f'{n} of {kind}' for kind, n in found.items())
    now = datetime.now().astimezone().strftime('%Y-%m-%d %H:%M %Z')
    size = (
        f'{pictures.count} pictures, {pictures.used / 1e6:.1f} MB of at most '
        f'{pictures.limit / 1e6:.0f} MB'
    )
    if pictures.full:
        size += '; those after them are left out'
    if notes:
        counts += f'; {len(notes)} notes on what could not be read'
    lines = [
        shown,
        f'Results: {counts}',
        f'{now}, mmcvgssl {__version__}, {size}',
    ]
    title = f'Report: {Path(work_dirs[0]).resolve().name}'
    if len(work_dirs) > 1:
        title += f' and {len(work_dirs) - 1} more'
    data = page_of(printable(title), lines, sections)
    atomic_write(out, data)
    return Report(out, found, lacking, notes, pictures.count, len(data))
