"""Predictions that a folder holds already, of a run that was stopped or not.

``provenance.json`` of the folder says which model file and options they are
of. A line of ``predictions.partial.jsonl`` has, beside the columns of the
tables, the folder of the images, the image's size and the state of its file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from mmcvgssl.predictions import JSON_TABLE, Prediction
from mmcvgssl.provenance import RECORD, FileState, Provenance, settle
from mmcvgssl.utils import parse_json

PARTIAL = 'predictions.partial.jsonl'  # as long as the tables are missing
TABLE = JSON_TABLE


class PartialFile:
    """Predictions as they come, for a run that does not come to its end.

    A context manager.

    Args:
        out: Folder of the predictions.
        root: Folder of the images.
    """

    def __init__(self, out: Path, root: Path) -> None:
        self.path, self.root = out / PARTIAL, str(root)
        self._lines: IO[str] | None = None

    def __enter__(self) -> PartialFile:
        cut = self.path.is_file() and not self.path.read_bytes().endswith(
            b'\n'
        )
        self._lines = self.path.open('a', encoding='utf-8')
        if cut:  # ends the incomplete line of an interrupted run
            self._lines.write('\n')
        return self

    def __exit__(self, *error: object) -> None:
        if self._lines is not None:
            self._lines.close()

    def write(self, predictions: list[Prediction]) -> None:
        """Add predictions, all or none that a later run goes on from."""
        rows = [
            {
                **prediction.row(),
                'root': self.root,
                'size': prediction.size,
                'file': prediction.file and prediction.file.to_list(),
            }
            for prediction in predictions
        ]
        if self._lines is not None:
            self._lines.write(''.join(f'{json.dumps(r)}\n' for r in rows))
            self._lines.flush()


def settle_predictions(ours: Provenance, out: Path, folder: str) -> None:
    """Reuse predictions of the same files, or move them aside.

    Those of a run that was stopped may be of images that have changed since:
    each is compared by itself, see :func:`find_known`.

    Args:
        ours: Model file, options and images.
        out: Folder of the predictions.
        folder: Folder of the overlays in it.

    Raises:
        ProvenanceError: If there are predictions that do not say what they
            depend on.
    """
    if (out / PARTIAL).is_file() and not (out / TABLE).is_file():
        theirs = Provenance.read(out / RECORD)
        if theirs is not None and theirs.values == ours.values:
            ours.write(out / RECORD)
    results = ['predictions.*']
    if any(out.glob(results[0])):
        results.append(folder)
    settle(ours, out, results, f'the predictions in {out}')


def find_known(
    out: Path,
    kind: type[Prediction],
    root: Path,
    states: Mapping[str, FileState],
) -> dict[str, Prediction]:
    """Return predictions that are there, of what images are now.

    Args:
        out: Folder of the predictions, settled.
        kind: Kind of the predictions.
        root: Folder of the images.
        states: States of their files, by path relative to the folder, with /.

    Returns:
        By the same paths. Those with an error are left out.
    """
    found: dict[str, Prediction] = {}
    for source, row in _rows(out):
        try:
            name = Path(row['path']).relative_to(source or root).as_posix()
            state, path = states[name], str(root / name)
            if 'file' in row and FileState.from_list(row['file']) != state:
                continue
            height, width = row['size']
            known = kind.from_row({**row, 'path': path})
        except (KeyError, TypeError, ValueError):
            continue  # no image of ours, or a line that was cut off
        if known.error is None:
            known.size, known.file = (int(height), int(width)), state
            found[name] = known
    return found


def _rows(out: Path) -> Iterator[tuple[str, Any]]:
    """Yield rows, and the folder that their paths begin with, if known."""
    table = out / TABLE
    if table.is_file():
        content = _parsed(table.read_bytes())
        if isinstance(content, dict):
            # the record has the files that the table was made from
            for row in content.get('images') or ():
                yield str(content.get('root') or ''), row
    partial = out / PARTIAL
    if partial.is_file():
        for line in partial.read_bytes().split(b'\n'):
            row = _parsed(line)
            if isinstance(row, dict):
                yield str(row.get('root') or ''), row


def _parsed(data: bytes) -> Any:
    try:
        return parse_json(data)
    except ValueError:
        return None
