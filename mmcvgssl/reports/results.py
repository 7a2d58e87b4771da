"""Finding what work directories hold."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmcvgssl.maps.writer import MANIFEST
from mmcvgssl.predictions import JSON_TABLE
from mmcvgssl.provenance import EARLIER
from mmcvgssl.utils import printable, read_json, some

TRAINING, FEW_SHOT, PREDICTIONS = 'training', 'few-shot', 'predictions'
ONE_CLASS, MAPS, BOXES = 'one-class', 'maps', 'boxes'
JOINED, PIPELINE, METRICS = 'self-train', 'pipeline', 'metrics'
# what a page shows, and how a run comes to have it
KINDS = {
    TRAINING: 'training curves: mmcvgssl train writes scalars.json',
    METRICS: 'metrics of a test: mmcvgssl test writes them',
    FEW_SHOT: 'few-shot accuracy: mmcvgssl few-shot writes few_shot.json',
    PREDICTIONS: 'scores, classes or boxes of images: mmcvgssl predict and '
    f'mmcvgssl test write {JSON_TABLE}',
    ONE_CLASS: 'scores of tested images: mmcvgssl one-class writes them',
    MAPS: f'anomaly maps: mmcvgssl maps writes {MANIFEST}',
    BOXES: 'pseudo-boxes: mmcvgssl boxes writes report.json',
    JOINED: 'boxes that joined labels: mmcvgssl self-train writes report.json',
    PIPELINE: 'stages: mmcvgssl pipeline writes summary.json',
}
_VIS = 'vis_data'
_NOT_ENTERED = {EARLIER, _VIS, 'overlays', '__pycache__'}


@dataclass
class Result:
    """Something that a run has written.

    Args:
        kind: One of ``KINDS``.
        folder: Where it lies.
        name: Shortest end of the folder's path that no other result of its
            kind has.
    """

    kind: str
    folder: Path
    name: str = ''


@dataclass
class Results:
    """What work directories hold.

    Args:
        found: In order of their folders.
        notes: What is left out, or not finished, a sentence each.
    """

    found: list[Result] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def of(self, kind: str) -> list[Result]:
        """Return the results of a kind."""
        return [result for result in self.found if result.kind == kind]

    @property
    def folders(self) -> list[Path]:
        """Folders of all results, each once."""
        return list(dict.fromkeys(result.folder for result in self.found))


def find_results(folders: Sequence[str | Path]) -> Results:
    """Find results in work directories and in folders below them.

    Results of other settings, which commands have moved to ``earlier``, are
    counted and left out. Links to folders are not followed.

    Args:
        folders: The work directories.

    Raises:
        FileNotFoundError: If one is missing.
        NotADirectoryError: If one is a file.
        ValueError: If none holds a result.
    """
    results = Results()
    seen: set[tuple[str, Path]] = set()
    silent: list[str] = []  # runs
    for folder in folders:
        root = _checked(folder)
        for kind, home in _walk(root, results.notes, silent):
            key = kind, home.resolve()
            if key not in seen:
                seen.add(key)
                results.found.append(Result(kind, home))
    if silent:
        results.notes.append(
            f'{some(silent, "run")} without scalars.json: fits, maps, or '
            'trainings that have logged nothing yet'
        )
    if not results.found:
        shown = ', '.join(printable(str(folder)) for folder in folders)
        more = f' ({"; ".join(results.notes)})' if results.notes else ''
        raise ValueError(
            f'{shown}: expected a work directory with results to report on, '
            f'such as {_VIS}/scalars.json of a training, few_shot.json or '
            f'{JSON_TABLE}, found none{more}: name the folder that a run has '
            'written to'
        )
    for kind in KINDS:
        _name(results.of(kind))
    return results


def metrics_of(run: Path) -> Path:
    """Return the file that a test writes its metrics to, in its folder."""
    return run / f'{Path(os.path.abspath(run)).name}.json'


def _checked(folder: str | Path) -> Path:
    path = Path(folder)
    if path.is_file():
        raise NotADirectoryError(
            f'{printable(str(folder))} is a file: expected the work directory '
            f'that holds it, {printable(str(path.parent))}'
        )
    if not path.is_dir():
        raise FileNotFoundError(
            f'expected a work directory, found no {printable(str(folder))}: '
            'check the path'
        )
    return path


def _walk(
    root: Path, notes: list[str], silent: list[str]
) -> Iterator[tuple[str, Path]]:
    def say(error: OSError) -> None:
        notes.append(f'{printable(str(error.filename))}: {error.strerror}')

    for home, inner, names in os.walk(root, onerror=say):
        folder, files = Path(home), {*names}
        if EARLIER in inner:
            notes.append(
                f'{printable(str(folder / EARLIER))} holds results of other '
                'settings or images, which are left out'
            )
        if folder.name == _VIS and folder == root:
            continue
        if _VIS in inner:
            yield from _of_run(folder, root, silent)
        below = JSON_TABLE in files
        if below and _is_tested_again(folder):
            files.remove(JSON_TABLE)
            notes.append(
                f'{printable(str(folder))} holds predictions of a test that '
                'was done again, which are left out'
            )
        yield from _of_files(folder, files, notes)
        inner[:] = sorted(
            name
            for name in inner
            if name not in _NOT_ENTERED
            and not name.startswith('.')
            and not (below and name == MAPS)
        )


def _is_tested_again(folder: Path) -> bool:
    """Whether a folder is that of a test, and one beside it of a later."""
    if not (folder / _VIS).is_dir():
        return False
    return any(
        other.parent.name > folder.name and (other.parent / _VIS).is_dir()
        for other in folder.parent.glob(f'*/{JSON_TABLE}')
    )


def _of_run(
    folder: Path, root: Path, silent: list[str]
) -> Iterator[tuple[str, Path]]:
    """Yield what a run of mmengine has logged in a folder of its own."""
    home = folder if folder == root else folder.parent
    has_scalars = (folder / _VIS / 'scalars.json').is_file()
    has_metrics = metrics_of(folder).is_file()
    if has_scalars:
        yield TRAINING, home
    if has_metrics:
        yield METRICS, home
    if not (has_scalars or has_metrics):
        silent.append(printable(str(folder)))


def _of_files(
    folder: Path, files: set[str], notes: list[str]
) -> Iterator[tuple[str, Path]]:
    shown = printable(str(folder))
    if 'few_shot.json' in files:
        yield FEW_SHOT, folder
    if JSON_TABLE in files:
        yield PREDICTIONS, folder
    elif 'predictions.partial.jsonl' in files:
        notes.append(
            f'{shown}: predictions are not finished, and left out: type the '
            'command mmcvgssl predict again'
        )
    if {'result.json', 'scores.csv'} <= files:
        yield ONE_CLASS, folder
    if MANIFEST in files:
        yield MAPS, folder
    elif any(n.startswith('manifest.') and n[-6:] == '.jsonl' for n in files):
        notes.append(
            f'{shown}: maps are not finished, and left out: type the command '
            'mmcvgssl maps again'
        )
    if 'report.json' in files:
        yield from _of_report(folder, notes)
    if {'summary.json', 'report.md'} <= files:
        yield PIPELINE, folder


def _of_report(folder: Path, notes: list[str]) -> Iterator[tuple[str, Path]]:
    try:
        content = read_json(folder / 'report.json')
    except (OSError, ValueError) as error:
        notes.append(str(error))
        return
    if 'boxes_per_image' in content:
        yield BOXES, folder
    elif 'classes' in content and 'boxes' in content:
        yield JOINED, folder


def _name(results: Sequence[Result]) -> None:
    """Name results by the ends of their paths, as long as they must be."""
    homes = [_home(result.folder) for result in results]
    ends = [
        (home if homes.count(home) == 1 else result.folder).resolve().parts
        for home, result in zip(homes, results, strict=True)
    ]
    for result, parts in zip(results, ends, strict=True):
        for length in range(1, len(parts) + 1):
            end = parts[-length:]
            if sum(other[-length:] == end for other in ends) == 1:
                break
        result.name = printable('/'.join(end))


def _home(folder: Path) -> Path:
    """Return the work directory of a test whose folder has its time's name."""
    return folder.parent if (folder / _VIS).is_dir() else folder
