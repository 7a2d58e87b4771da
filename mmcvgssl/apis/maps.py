"""A folder of anomaly maps, as tools/make_maps.py writes it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from tqdm import tqdm

from mmcvgssl.apis.images import Reading, reading_in
from mmcvgssl.apis.make_maps import list_images
from mmcvgssl.datasets.preparation.images import images_below
from mmcvgssl.datasets.reading import UnreadableImageError, image_size
from mmcvgssl.engine.map_writer_hook import MANIFEST, REMARKS
from mmcvgssl.maps import MapError, read_map
from mmcvgssl.provenance import RECORD, FileState, Provenance
from mmcvgssl.utils import parse_json, some

_MAKE = 'make the maps with tools/make_maps.py'


@dataclass(frozen=True)
class MapEntry:
    """A line of the manifest.

    Args:
        path: Of the image, relative to the folder of images, with /.
        map: Of the ``.npy`` file, relative to the folder of maps, with /.
        size: Height and width of the image, pixels.
        score: Of the image.
        map_max: Maximum of the map.
        file: State of the image when the map was made.
    """

    path: str
    map: str
    size: tuple[int, int]
    score: float
    map_max: float
    file: FileState


class MapFolder:
    """Anomaly maps on disk, one ``.npy`` an image at patch resolution.

    ``manifest.jsonl`` lists them, one JSON object a line; of lines with the
    same path the last one holds. A last line that was cut off while being
    written is ignored. Entries are in the order of their paths, whatever
    the order of the lines.

    Args:
        path: The folder.

    Raises:
        FileNotFoundError: If there is no such folder, or no manifest.
        MapError: If a line, ``provenance.json`` or ``remarks.json`` is
            malformed, two images share a map, or there is no line.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        file = self.path / MANIFEST
        if not file.is_file():
            begun = any(self.path.glob('manifest.*.jsonl'))
            raise FileNotFoundError(
                f'expected a folder of maps with {MANIFEST}, found no {file}; '
                + (
                    'tools/make_maps.py has not finished them: run it again'
                    if begun
                    else f'check the path, or {_MAKE}'
                )
            )
        found = {entry.path: entry for entry in _read_manifest(file)}
        if not found:
            raise MapError(f'{file} lists no map; {_MAKE}')
        self.entries = {path: found[path] for path in sorted(found)}
        # what the maps were made with, if that was kept
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
                    f'{entry.map}; rename one of the images and {_MAKE}'
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
                not 2-D and floating-point, or has values that are not
                finite.
        """
        file = self.path / self[path].map
        try:
            return read_map(file)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f'{self.path / MANIFEST} lists a map that is missing: '
                f'{file}; {_MAKE}'
            ) from error


@dataclass(frozen=True)
class MappedImages:
    """Images that have maps.

    Args:
        root: Folder that the paths are relative to.
        paths: In ascending order, with /.
        without_map: Images left out, as they have no map.
        not_listed: How many maps are of images that the list leaves out.
    """

    root: Path
    paths: list[str]
    without_map: list[str]
    not_listed: int = 0


def find_mapped_images(
    maps: MapFolder,
    images: str | Path,
    root: str | Path | None = None,
    allow_missing: bool = False,
    skip: Collection[Path] = (),
    encoding: str = '',
) -> MappedImages:
    """Pair images and maps.

    Args:
        maps: The maps.
        images: Folder of images in any nesting, or a list, see
            :func:`mmcvgssl.apis.list_images`; maps of images that a list
            leaves out are not used.
        root: Folder that listed paths are relative to; by default the
            list's.
        allow_missing: Leave out images without a map.
        skip: Folders within that of the images to leave out.
        encoding: Of the list.

    Raises:
        FileNotFoundError: If folder, list or a listed image is missing.
        MapError: If images and maps do not belong together.
        ValueError: If there is no image, or a listed path leads out of the
            folder.
    """
    images = Path(images)
    if images.is_dir():
        if root is not None:
            raise ValueError(
                f'{images} is a folder: a root is for a list of images'
            )
        home, wanted = images, images_below(images, skip)
        unseen = sorted({*maps.entries} - {*wanted})
        lost = [path for path in unseen if not (home / path).is_file()]
        if lost:
            raise MapError(
                f'{some(lost, "map")} in {maps.path} without an image in '
                f'{home}; check the path of the images, which must be that '
                f'the maps were made of, or {_MAKE}'
            )
        wanted = sorted([*wanted, *unseen])
    else:
        home, listed = list_images(images, root, encoding)
        wanted = sorted({_inside(path) for path in listed})
        lost = [path for path in wanted if not (home / path).is_file()]
        if lost:
            raise FileNotFoundError(
                f'{some(lost, "path")} of {images} not found in {home}; '
                'expected one path a line, relative to the folder given by '
                '--root'
            )
    without = [path for path in wanted if path not in maps]
    if without and not allow_missing:
        raise MapError(
            f'{some(without, "image")} in {images} without a map in '
            f'{maps.path}; {_MAKE}, or leave these images out with '
            '--allow-missing'
        )
    paths = [path for path in wanted if path in maps]
    if not paths:
        raise MapError(f'no image in {images} has a map in {maps.path}')
    require_unchanged(maps, home, paths)
    return MappedImages(home, paths, without, len(maps) - len(paths))


def require_unchanged(
    maps: MapFolder, home: str | Path, paths: Iterable[str]
) -> None:
    """Refuse maps of images that have changed since.

    Args:
        maps: The maps.
        home: Folder of the images.
        paths: Of images that have maps.

    Raises:
        MapError: Counts the images and names the first.
    """
    paths, home = list(paths), Path(home)
    changed = [
        path for path in paths if not maps[path].file.holds(home / path)
    ]
    if changed:
        raise MapError(
            f'{some(changed, "image")} of {len(paths)} in {home} changed '
            f'since the maps in {maps.path} were made; {_MAKE}'
        )


def check_size(file: Path, size: tuple[int, int], reading: Reading) -> None:
    """Check height and width of an image file by its header.

    Raises:
        UnreadableImageError: If it has none.
        MapError: If they differ.
    """
    width, height = image_size(file, reading['page'], reading['max_pixels'])
    if (height, width) != size:
        raise MapError(
            f'{file} has {height} x {width} pixels, its map was made of '
            f'{size[0]} x {size[1]}; {_MAKE}'
        )


def find_broken(
    maps: MapFolder,
    root: Path,
    entries: Sequence[MapEntry],
    most: float = 0.1,
) -> dict[str, str]:
    """Find images, or maps of them, that cannot be read: reason by path.

    Args:
        maps: The maps.
        root: Folder of the images.
        entries: Of the images.
        most: Largest share of them.

    Raises:
        FileNotFoundError: If more are broken, and the first map is missing.
        MapError: If a map is not that of its image, or more are broken, and
            the first map cannot be used.
        UnreadableImageError: If more are broken, and the first image is.
    """
    broken: dict[str, Exception] = {}
    for entry in tqdm(entries, desc='check', leave=False):
        try:
            check_size(root / entry.path, entry.size, maps.reading)
        except UnreadableImageError as error:
            broken[entry.path] = error
            continue
        try:
            maps.load_map(entry.path)
        except (FileNotFoundError, MapError) as error:
            broken[entry.path] = error
    if len(broken) > most * len(entries):
        first = next(iter(broken.values()))
        raise type(first)(
            f'{len(broken)} of {len(entries)} images or maps cannot be read, '
            f'more than the share of {most:g} that may be left out '
            f'(--max-unreadable). The first: {first}'
        )
    return {path: str(error) for path, error in broken.items()}


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
                f'folder or choose another, and {_MAKE}'
            ) from error


def _read_remarks(file: Path) -> list[str]:
    """Read what the generator has said of the images it was fitted to."""
    if not file.is_file():
        return []
    try:
        held = parse_json(file.read_text('utf-8'))
    except ValueError as error:
        raise MapError(f'{file} is no JSON: {error}; {_MAKE}') from error
    if not isinstance(held, list):
        raise MapError(f'{file}: expected a list of texts in JSON; {_MAKE}')
    return [str(text) for text in held]


def _is_torn(end: bytes) -> bool:
    """Whether what follows the last newline is no whole line."""
    try:
        parse_json(end)
    except ValueError:  # nothing, or its writer was stopped
        return True
    return False


def _entry(held: dict[str, Any]) -> MapEntry:
    height, width = held['size']
    score, top = float(held['score']), float(held['map_max'])
    if not (height == int(height) >= 1 and width == int(width) >= 1):
        raise ValueError(f'size is {held["size"]}')
    if not (math.isfinite(score) and math.isfinite(top)):
        raise ValueError('score or map_max is not finite')
    if 'file' not in held:
        raise ValueError(
            'nothing tells which image the map was made of, as an earlier '
            'version of this package wrote the line'
        )
    return MapEntry(
        _inside(held['path']),
        _inside(held['map']),
        (int(height), int(width)),
        score,
        top,
        FileState.from_list(held['file']),
    )


def _inside(path: str) -> str:
    """Return a path that stays in its folder."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or '..' in pure.parts or not pure.parts:
        raise ValueError(f'{path!r} is no path inside the folder')
    return str(pure)
