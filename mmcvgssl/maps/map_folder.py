"""A folder of anomaly maps, as mmcvgssl maps writes it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmcvgssl.maps.file import MAKE, MapError, inside, read_map
from mmcvgssl.maps.writer import MANIFEST, REMARKS
from mmcvgssl.provenance import RECORD, FileState, Provenance, reading_in
from mmcvgssl.utils import parse_json, some


@dataclass(frozen=True)
class MapEntry:
    """A line of the manifest.

    Args:
        path: Path of the image, relative to the folder of images, with /.
        map: Path of the ``.npy`` file, relative to the folder of maps, with /.
        size: Height and width of the image, pixels.
        score: Score of the image.
        map_max: Maximum of the map.
        file: State of the image when the map was made.
        digest: Digest of the ``.npy`` file; empty if the line has none.

    Example:
        >>> entry = MapFolder('maps')['crack/0.png']
        >>> entry.map, entry.size
        ('crack/0.npy', (32, 32))
    """

    path: str
    map: str
    size: tuple[int, int]
    score: float
    map_max: float
    file: FileState
    digest: str = ''


class MapFolder:
    """Anomaly maps on disk, one ``.npy`` an image at patch resolution.

    ``manifest.jsonl`` lists them, one JSON object a line. Of several lines
    with the same path, the last one counts. An incomplete last line is
    ignored. Entries are sorted by path.

    Args:
        path: The folder.

    Raises:
        FileNotFoundError: If there is no such folder, or no manifest.
        MapError: If a line, ``provenance.json`` or ``remarks.json`` is
            malformed, two images share a map, or there is no line.

    Example:
        >>> maps = MapFolder('maps')
        >>> len(maps), [entry.path for entry in maps][0]
        (4, 'crack/0.png')
        >>> maps.load_map('crack/0.png').shape
        (8, 8)
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        file = self.path / MANIFEST
        if not file.is_file():
            begun = any(self.path.glob('manifest.*.jsonl'))
            raise FileNotFoundError(
                f'expected a folder of maps with {MANIFEST}, found no {file}; '
                + (
                    'mmcvgssl maps has not finished them: run it again'
                    if begun
                    else f'check the path, or {MAKE}'
                )
            )
        found = {entry.path: entry for entry in _read_manifest(file)}
        if not found:
            raise MapError(f'{file} lists no map; {MAKE}')
        self.entries = {path: found[path] for path in sorted(found)}
        # what the maps were made with, if it was recorded
        known = Provenance.read(self.path / RECORD)
        self.settings = {} if known is None else known.values
        self.reading = reading_in(self.settings)
        self.remarks = _read_remarks(self.path / REMARKS)
        owners: dict[str, str] = {}
        for entry in self:
            other = owners.setdefault(entry.map, entry.path)
            if other != entry.path:
                raise MapError(
                    f'{file}: {other} and {entry.path} share the map '
                    f'{entry.map}; rename one of the images and {MAKE}'
                )

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[MapEntry]:
        return iter(self.entries.values())

    def __contains__(self, path: str) -> bool:
        return path in self.entries

    def __getitem__(self, path: str) -> MapEntry:
        """Return the entry of an image.

        Raises:
            KeyError: If it has no map.
        """
        if path not in self.entries:
            raise KeyError(
                f'{path} has no map in {self.path}; paths are relative to '
                f'the folder of images, as in {MANIFEST}'
            )
        return self.entries[path]

    def load_map(self, path: str) -> np.ndarray:
        """Read the map of an image, float32 [h, w].

        Raises:
            KeyError: If the manifest does not list the image.
            FileNotFoundError: If the map's file is missing.
            MapError: If the file cannot be read, holds pickled objects, is
                not 2-D and floating-point, has values that are not finite, or
                is another file than was written.
        """
        entry = self[path]
        file = self.path / entry.map
        try:
            return read_map(file, entry.digest)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f'{self.path / MANIFEST} lists a map that is missing: '
                f'{file}; {MAKE}'
            ) from error

    def find_changed(
        self, home: str | Path, paths: Iterable[str]
    ) -> list[str]:
        """Find images that have changed since their maps were made.

        A file that cannot be opened is none of them: reading it will fail.

        Args:
            home: Folder of the images.
            paths: Paths of images that have maps.
        """
        home, changed = Path(home), []
        for path in paths:
            try:
                if not self[path].file.holds(home / path):
                    changed.append(path)
            except OSError:
                continue
        return changed

    def say_changed(
        self, home: str | Path, changed: Sequence[str], count: int
    ) -> str:
        """Return a message that counts the changed images."""
        return (
            f'{some(changed, "image")} of {count} in {home} changed since the '
            f'maps in {self.path} were made'
        )


def _read_manifest(file: Path) -> Iterator[MapEntry]:
    lines = file.read_bytes().split(b'\n')
    if _is_torn(lines[-1]):
        lines.pop()
    for number, line in enumerate(lines, 1):
        try:
            yield _entry(parse_json(line))
        except (KeyError, TypeError, ValueError) as error:
            raise MapError(
                f'{file}:{number}: expected path, map, size [height, width], '
                f'score, map_max and file of an image in JSON, got '
                f'{line[:80]!r} ({type(error).__name__}: {error}); remove the '
                f'folder or choose another, and {MAKE}'
            ) from error


def _read_remarks(file: Path) -> list[str]:
    """Read the generator's warnings about the images it was fitted to."""
    if not file.is_file():
        return []
    try:
        remarks = parse_json(file.read_text('utf-8'))
    except ValueError as error:
        raise MapError(f'{file} is no JSON: {error}; {MAKE}') from error
    if not isinstance(remarks, list):
        raise MapError(f'{file}: expected a list of texts in JSON; {MAKE}')
    return [str(text) for text in remarks]


def _is_torn(end: bytes) -> bool:
    """Whether the text after the last newline is an incomplete line."""
    try:
        parse_json(end)
    except ValueError:  # empty, or cut off when the writer was stopped
        return True
    return False


def _entry(line: dict[str, Any]) -> MapEntry:
    height, width = line['size']
    score, top = float(line['score']), float(line['map_max'])
    if not (height == int(height) >= 1 and width == int(width) >= 1):
        raise ValueError(f'size is {line["size"]}')
    if not (math.isfinite(score) and math.isfinite(top)):
        raise ValueError('score or map_max is not finite')
    if 'file' not in line:
        raise ValueError(
            'the image that the map was made of is not named, as an earlier '
            'version of this package wrote the line'
        )
    return MapEntry(
        inside(line['path']),
        inside(line['map']),
        (int(height), int(width)),
        score,
        top,
        FileState.from_list(line['file']),
        str(line.get('digest', '')),
    )
