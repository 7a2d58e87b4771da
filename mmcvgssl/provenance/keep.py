"""Reuse of an earlier result, and the folder it is moved to otherwise."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from mmcvgssl.processes import on_first_process
from mmcvgssl.provenance.record import (
    RECORD,
    Provenance,
    ProvenanceError,
    named,
)
from mmcvgssl.utils import current_logger

EARLIER = 'earlier'


def settle(
    ours: Provenance,
    folder: str | Path,
    results: Sequence[str],
    what: str,
    record: str = RECORD,
    read: Callable[[Path], Provenance | None] | None = None,
) -> bool:
    """Reuse an earlier result of the same provenance, or move it aside.

    A result of something else is moved to ``earlier/DIGEST`` in the folder,
    and one of ours is brought back from there: nothing is lost, and no
    result is taken for another's. The first process decides for all.

    Args:
        ours: Provenance of the new result.
        folder: Where it lies.
        results: Patterns of its files and folders.
        what: It is, for messages.
        record: Name of the file that says what it depends on.
        read: Reads that of ``record`` where it is one of the results, which
            are then not given another.

    Returns:
        Whether there is a result, or a part of one, to go on from.

    Raises:
        ProvenanceError: In every process, if there is a result that does not
            say what it depends on.
        OSError: If files can be neither read nor moved.
    """
    results_folder = _ResultFolder(Path(folder), results, what, record, read)
    return on_first_process(lambda: results_folder.settle(ours))


class _ResultFolder:
    """A folder with a result and, perhaps, earlier ones."""

    def __init__(
        self,
        folder: Path,
        results: Sequence[str],
        what: str,
        record: str,
        read: Callable[[Path], Provenance | None] | None,
    ) -> None:
        self.folder, self.results, self.what = folder, results, what
        self.record, self.read = folder / record, read or Provenance.read
        self.inside = read is not None

    def settle(self, ours: Provenance) -> bool:
        theirs = self.read(self.record)
        if theirs is None:
            self._refuse_unknown()
        elif different := ours.differences(theirs):
            aside = self.folder / EARLIER / theirs.digest
            self._say(
                f'made anew: {self.what}: {named(different)}; the earlier '
                f'result is now in {aside}'
            )
            self._move(self.folder, aside)
            theirs = None
        if not self.inside and (
            theirs is None or theirs.to_json() != ours.to_json()
        ):
            ours.write(self.record)
        self._move(self.folder / EARLIER / ours.digest, self.folder)
        found = self._found(self.folder)
        if found:
            self._say(f'reused: {self.what} ({len(found)} files or folders)')
        return bool(found)

    def _found(self, folder: Path) -> list[Path]:
        found = {p for name in self.results for p in folder.glob(name)}
        return sorted(found - {folder / EARLIER, *self._records(folder)})

    def _records(self, folder: Path) -> set[Path]:
        return set() if self.inside else {folder / self.record.name}

    def _refuse_unknown(self) -> None:
        found = self._found(self.folder)
        if found:
            raise ProvenanceError(
                f'{self.what}: {found[0]} was written by an earlier version '
                f'of this package, without {self.record.name}, which says '
                'what it depends on; remove or move it, or choose another '
                'folder'
            )

    def _move(self, source: Path, target: Path) -> None:
        """Move a result, what says what it depends on last."""
        if not source.is_dir():
            return
        for path in [*self._found(source), source / self.record.name]:
            if path.exists():
                target.mkdir(parents=True, exist_ok=True)
                os.replace(path, target / path.name)
        if source != self.folder and not any(source.iterdir()):
            source.rmdir()

    @staticmethod
    def _say(text: str) -> None:
        current_logger().info(text)
