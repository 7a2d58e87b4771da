"""One page about what work directories hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mmcvgssl.compat.hosts import require
from mmcvgssl.reports.embeddings import section_of_embeddings
from mmcvgssl.reports.page import MARK, page_of
from mmcvgssl.reports.pictures import Pictures
from mmcvgssl.reports.results import KINDS, find_results
from mmcvgssl.reports.section import Section
from mmcvgssl.reports.sections import Sections
from mmcvgssl.reports.settings import section_of_settings
from mmcvgssl.reports.truth import Truth
from mmcvgssl.utils import atomic_write, check_file, check_least, printable
from mmcvgssl.version import __version__


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
    made = Sections(
        find_results(work_dirs),
        home,
        None if truth is None else Truth(truth, home, encoding),
        Pictures(megabytes, pictures),
    )
    made.make()
    if made.truth is not None and not made.truth.matched:
        raise made.truth.problem or ValueError(
            f'--truth {printable(str(truth))} is of no use: the work '
            'directories hold no predictions, maps or boxes: leave it out, or '
            'predict first'
        )
    if features is not None:
        shown = [own for own in made.shown if own.paths]
        if not shown:
            raise ValueError(
                f'--features {printable(str(features))} is of no use: the '
                'work directories hold no predictions or maps, whose images '
                'it would embed: predict first, or leave it out'
            )
        made.made += [
            section_of_embeddings(
                *(own, features, made.pictures, points, device, workers)
            )
            for own in shown
        ]
    made.made.append(section_of_settings(made.results.found))
    return _write(out, made, work_dirs, features)


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


def _write(
    out: Path,
    made: Sections,
    work_dirs: Sequence[str | Path],
    features: str | Path | None,
) -> Report:
    results, pictures, sections = made.results, made.pictures, made.made
    found = {kind: len(results.of(kind)) for kind in KINDS}
    found = {kind: count for kind, count in found.items() if count}
    lacking = [kind for kind in KINDS if kind not in found]
    missing = Section('What is missing')
    missing.notes += [*results.notes, *made.notes]
    if pictures.problems:
        n, first = len(pictures.problems), pictures.problems[0]
        missing.notes.append(
            f'{n} picture{"s"[: n != 1]} cannot be shown; the first: {first}'
        )
    problems = [note for own in sections for note in own.problems]
    notes = list(dict.fromkeys([*missing.notes, *problems]))
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
