"""Writing a folder of anomaly maps: one ``.npy`` an image, and a manifest."""

from __future__ import annotations

import errno
import glob
import io
import json
import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from mmcvgssl.maps.file import MapError, inside, read_map
from mmcvgssl.provenance import (
    EARLIER,
    FileState,
    Provenance,
    digest_bytes,
    settle,
)
from mmcvgssl.utils import (
    atomic_write,
    current_logger,
    parse_json,
    some,
    with_suffix_added,
)

MANIFEST = 'manifest.jsonl'
PARTS = 'manifest.*.jsonl'  # one of each process
REMARKS = 'remarks.json'  # the generator's warnings about its fitting images
DTYPES = ('float16', 'float32')
# errors that concern one file name, not the disk or permissions
_OF_ONE = {
    *(errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EEXIST),
    *(errno.EILSEQ, errno.EINVAL),
}


class MapWriter:
    """Writes maps, then a line of the manifest for each.

    Each process writes its own manifest; :func:`join_manifests` joins them in
    ``manifest.jsonl``. A map that a manifest names is always complete. The
    writer is a context manager.

    Args:
        out: Folder of the maps; it is made.
        dtype: ``'float16'`` or ``'float32'``.
        rank: Rank of the process.

    Attributes:
        written: Number of maps that were written.

    Raises:
        ValueError: If the type is another.
    """

    def __init__(
        self, out: str | Path, dtype: str = 'float16', rank: int = 0
    ) -> None:
        check_dtype(dtype)
        self.out, self.dtype, self.written = Path(out), dtype, 0
        self.out.mkdir(parents=True, exist_ok=True)
        part = self.out / f'manifest.{rank}.jsonl'
        cut = part.is_file() and not part.read_bytes().endswith(b'\n')
        self._lines = part.open('a', encoding='utf-8')
        if cut:  # ends the incomplete line of an interrupted run
            self._lines.write('\n')

    def __enter__(self) -> MapWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the manifest."""
        self._lines.close()

    def write(
        self,
        path: str,
        values: np.ndarray,
        size: Sequence[int],
        score: float,
        file: FileState,
    ) -> str | None:
        """Write the map of an image.

        Args:
            path: Path of the image, relative to the folder of images, with /.
            values: The map, float32 [h, w].
            size: Height and width of the image, pixels.
            score: Score of the image.
            file: State of the image when the map was made.

        Returns:
            Why this one name cannot be written, or nothing.

        Raises:
            OSError: If nothing can be written, as on a full disk: says what
                was.
        """
        buffer = io.BytesIO()
        np.save(buffer, values.astype(self.dtype), allow_pickle=False)
        name = map_name(path)
        try:
            atomic_write(self.out / name, buffer.getvalue())
        except OSError as error:
            if error.errno in _OF_ONE:
                return str(error)
            raise OSError(
                error.errno,
                f'{os.strerror(error.errno or errno.EIO)}: {self.written} '
                f'maps were written to {self.out} in this run and are '
                'whole; make room and run the same command again',
            ) from error
        line = {
            'path': path,
            'map': name,
            'size': [int(side) for side in size],
            'score': float(score),
            'map_max': float(values.max()),
            'file': file.to_list(),
            'digest': digest_bytes(buffer.getvalue()),
        }
        self._lines.write(json.dumps(line) + '\n')
        self._lines.flush()
        self.written += 1
        return None


def check_dtype(dtype: str) -> None:
    """Refuse a number type that maps cannot have.

    Raises:
        ValueError: If it is none of ``DTYPES``.
    """
    if dtype not in DTYPES:
        raise ValueError(f'dtype must be one of {DTYPES}, got {dtype!r}')


def write_remarks(out: Path, remarks: Sequence[str]) -> None:
    """Write a generator's warnings beside its maps."""
    if remarks:
        atomic_write(out / REMARKS, json.dumps(list(remarks)).encode())


def settle_maps(ours: Provenance, out: Path) -> bool:
    """Reuse the maps of a folder, or move those of another model aside.

    Args:
        ours: Provenance of the new maps, without the images.
        out: The folder.

    Raises:
        ProvenanceError: If there are maps that do not say what they depend
            on.
    """
    tops = {
        PurePosixPath(line['map']).parts[0]
        for line in read_manifests(out).values()
    }
    results = ['manifest*.jsonl', REMARKS, *map(glob.escape, sorted(tops))]
    return settle(ours, out, results, f'the maps in {out}')


def require_own_maps(paths: Iterable[str]) -> None:
    """Refuse images that would share the file of a map.

    Args:
        paths: Paths of the images, relative, with /.

    Raises:
        ValueError: Names the two.
    """
    owners: dict[str, str] = {}
    for path in paths:
        other = owners.setdefault(map_name(path), path)
        if other != path:
            raise ValueError(
                f'{other} and {path} would share the map {map_name(path)}: '
                'if one is a mask, give a list of the images instead of the '
                'folder; else rename one'
            )


def paths_without_map(
    out: Path, root: Path, paths: Sequence[str]
) -> list[str]:
    """Find the images without a map of their present content.

    Maps of images that have changed, and files that are not the maps which
    were written, are moved aside, and it is said. Manifests of processes that
    were stopped are joined, so that no outdated line of them is left when
    others write: call it before a :class:`MapWriter` is made.

    Args:
        out: Folder of the maps.
        root: Folder that image paths are relative to.
        paths: Paths of the images.

    Raises:
        OSError: If files can be neither read nor moved.
    """
    present = [path for path in paths if (root / path).is_file()]
    changed = set_changed_aside(out, root, present)
    if changed:
        current_logger().warning(
            f'{some(changed, "image")} of {len(paths)} changed since the maps '
            'were made: these maps are made anew, the earlier ones are moved '
            f'to {out / EARLIER / "images"}',
        )
    set_damaged_aside(out)
    lines = read_manifests(out)
    done = {p for p, line in lines.items() if (out / line['map']).is_file()}
    if len(done) < len(lines) or any(out.glob(PARTS)):
        join_manifests(out, done)
    return [path for path in paths if path not in done]


def set_changed_aside(
    out: Path, root: Path, paths: Sequence[str]
) -> list[str]:
    """Move the maps of images that have changed since, with their entries.

    Args:
        out: Folder of the maps.
        root: Folder that image paths are relative to.
        paths: Paths of images that are there.

    Returns:
        Paths of the images that have changed.

    Raises:
        OSError: If files can be neither read nor moved.
    """
    lines = read_manifests(out)
    changed = []
    for path in paths:
        line = lines.get(path)
        if line is None or not (out / line['map']).is_file():
            continue
        state = FileState.from_list(line['file'])
        if state.holds(root / path):
            continue
        changed.append(path)
        moved = _set_aside(out, line['map'], state.digest)
        with (out / EARLIER / 'images' / MANIFEST).open('a') as file:
            file.write(json.dumps({**line, 'map': moved}) + '\n')
    return changed


def set_damaged_aside(out: Path) -> list[str]:
    """Move damaged files of maps away, and warn.

    Args:
        out: Folder of the maps.

    Returns:
        Paths of their images.

    Raises:
        OSError: If files can be neither read nor moved.
    """
    damaged = []
    for path, line in read_manifests(out).items():
        if not (out / line['map']).is_file():
            continue
        try:
            read_map(out / line['map'], line.get('digest', ''))
        except MapError:
            damaged.append(path)
            content = digest_bytes((out / line['map']).read_bytes())
            _set_aside(out, line['map'], content)
    if damaged:
        current_logger().warning(
            f'{some(damaged, "map")} not as written in {out}: to be made '
            f'anew; what was there is now in {out / EARLIER / "images"}',
        )
    return damaged


def _set_aside(out: Path, name: str, digest: str) -> str:
    """Move a map to the folder of earlier maps; return its new name."""
    pure = PurePosixPath(name)
    moved = pure.with_name(
        with_suffix_added(pure.stem, f'-{digest[:8]}{pure.suffix}')
    )
    target = out / EARLIER / 'images' / moved
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(out / name, target)
    return str(moved)


def relative_path(path: str, root: str) -> str:
    """Return an image's path below the root, with /."""
    return Path(os.path.relpath(path, root)).as_posix()


def map_name(path: str) -> str:
    """Name the map of an image: its relative path, ending in ``.npy``."""
    return str(PurePosixPath(path).with_suffix('.npy'))


def read_manifests(out: Path) -> dict[str, dict]:
    """Read all manifests of a folder, by image path.

    Lines that are cut off or damaged, or lead out of the folder, are left
    out.
    """
    lines: dict[str, dict] = {}
    for file in sorted(out.glob('manifest*.jsonl'), key=lambda p: len(p.name)):
        for text in file.read_bytes().split(b'\n'):
            try:
                line = parse_json(text)
                inside(line['map'])
                FileState.from_list(line['file'])
                lines[inside(line['path'])] = line
            except (ValueError, KeyError, TypeError):
                continue
    return lines


def join_manifests(
    out: Path, paths: Collection[str] | None = None
) -> dict[str, dict]:
    """Join the manifests of all processes in ``manifest.jsonl``, sorted.

    Args:
        out: Folder of the maps.
        paths: Paths of the images that count; None: all of them do.
    """
    lines = read_manifests(out)
    if paths is not None:
        wanted = set(paths)
        lines = {path: line for path, line in lines.items() if path in wanted}
    text = ''.join(json.dumps(lines[path]) + '\n' for path in sorted(lines))
    atomic_write(out / MANIFEST, text.encode())
    for part in out.glob(PARTS):
        part.unlink()
    return lines
