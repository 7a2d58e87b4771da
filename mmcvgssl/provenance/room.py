"""Room for files that are written anew, beside those of before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from glob import escape
from pathlib import Path

from mmcvgssl.provenance.files import digest_bytes
from mmcvgssl.provenance.keep import settle
from mmcvgssl.provenance.record import Provenance


def make_room(
    folder: str | Path,
    files: Mapping[str, bytes],
    what: str,
    beside: Sequence[str] = (),
) -> bool:
    """Move files of another content aside that would be overwritten.

    If one of them is there with another content, all go to
    ``earlier/DIGEST`` in the folder, and the log says so.

    Args:
        folder: Where the files are to be written.
        files: Contents by name.
        what: They are, for messages.
        beside: Patterns of further files that go with them.

    Returns:
        Whether some are there, with this content.

    Raises:
        OSError: If files can be neither read nor moved.
    """
    folder = Path(folder)
    patterns = [*map(escape, files), *beside]
    there = {
        path.name: path.read_bytes()
        for pattern in patterns
        for path in folder.glob(pattern)
        if path.is_file()
    }
    if not any(name in there for name in files):
        return False
    same = all(there.get(name, data) == data for name, data in files.items())
    theirs = _of(files if same else there)
    return settle(
        _of(files), folder, patterns, what, read=lambda record: theirs
    )


def _of(files: Mapping[str, bytes]) -> Provenance:
    return Provenance(
        {
            name: f'{len(data)} bytes, {digest_bytes(data)[:16]}'
            for name, data in files.items()
        }
    )
