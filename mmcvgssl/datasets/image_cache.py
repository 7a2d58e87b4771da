"""Decoded images in memory, for all processes of a loader."""

from __future__ import annotations

import hashlib
import mmap
import multiprocessing
import os
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

_KEY = 16  # bytes
_LEAST = 4096  # bytes of memory for which there is a row of the table
_ENTRY = np.dtype(
    [
        ('key', 'u1', (_KEY,)),
        ('start', 'i8'),
        ('shape', 'i4', (2,)),
        ('size', 'i4', (2,)),
        ('whole', 'i4'),
    ]
)


class Decoded(NamedTuple):
    """An image as it was read.

    Args:
        pixels: BGR uint8 [H, W, 3].
        size: Height and width of the file, pixels.
    """

    pixels: np.ndarray
    size: tuple[int, int]


class ImageCache:
    """Images that the processes of a loader decode once for all of them.

    Memory is taken as images come; once it is full, further ones are decoded
    each time. Forked workers share it with the process that made it, and
    spawned ones have one each. A file that was written anew is read anew.

    Args:
        megabytes: Upper limit, MiB.

    Raises:
        ValueError: If the limit is not above 0.

    Example:
        >>> cache = ImageCache(megabytes=1)
        >>> made = Decoded(np.zeros((8, 6, 3), np.uint8), (8, 6))
        >>> first = cache.read(__file__, (), lambda: made)
        >>> again = cache.read(__file__, (), lambda: 1 / 0)  # not called
        >>> again.pixels.shape, again.size, cache.count
        ((8, 6, 3), (8, 6), 1)
    """

    def __init__(self, megabytes: int) -> None:
        if megabytes <= 0:
            raise ValueError(f'megabytes is above 0, got {megabytes}')
        room = int(megabytes * 2**20)
        rows = max(room // _LEAST, 256)
        self._room = mmap.mmap(-1, room)
        table = mmap.mmap(-1, rows * _ENTRY.itemsize)
        self._table = np.frombuffer(table, _ENTRY)
        # bytes and images that are taken
        self._taken = np.frombuffer(mmap.mmap(-1, 16), np.int64)
        self._lock = multiprocessing.Lock()

    @property
    def count(self) -> int:
        """How many images it holds."""
        return int(self._taken[1])

    def read(
        self, path: str, how: tuple, decode: Callable[[], Decoded]
    ) -> Decoded:
        """Return an image, whose pixels may be written into.

        Args:
            path: The file.
            how: What else the result depends on.
            decode: Reads it, if it is not here.
        """
        try:
            state = os.stat(path)
        except OSError:
            return decode()  # says what is wrong
        words = repr((path, state.st_mtime_ns, state.st_size, how))
        data = words.encode('utf-8', 'surrogateescape')
        digest = hashlib.blake2b(data, digest_size=_KEY).digest()
        key = np.frombuffer(digest, np.uint8)
        with self._lock:
            entry = self._entry(key)
            found = entry is not None and entry['whole'] == 1
        if entry is not None and found:
            return self._image(entry)
        image = decode()
        self._store(key, image)
        return image

    def _entry(self, key: np.ndarray) -> np.void | None:
        """Return the row of an image, or an empty row."""
        row = int.from_bytes(key[:8].tobytes(), 'little')
        for _ in range(len(self._table)):
            entry = self._table[row % len(self._table)]
            if not entry['whole'] or (entry['key'] == key).all():
                return entry
            row += 1
        return None

    def _image(self, entry: np.void) -> Decoded:
        height, width = map(int, entry['shape'])
        pixels = np.frombuffer(
            self._room, np.uint8, height * width * 3, int(entry['start'])
        )
        size = (int(entry['size'][0]), int(entry['size'][1]))
        return Decoded(pixels.reshape(height, width, 3).copy(), size)

    def _store(self, key: np.ndarray, image: Decoded) -> None:
        """Take an image in, if there is room."""
        pixels = image.pixels
        with self._lock:
            start = int(self._taken[0])
            full = start + pixels.nbytes > len(self._room)
            # half of the table stays empty, so that a search is short
            if full or 2 * self.count >= len(self._table):
                return
            entry = self._entry(key)
            if entry is None or entry['whole']:
                return  # another process was faster
            end = start + pixels.nbytes
            self._room[start:end] = np.ascontiguousarray(pixels).data.cast('B')
            entry['key'], entry['start'] = key, start
            entry['shape'], entry['size'] = pixels.shape[:2], image.size
            entry['whole'] = 1
            self._taken += (pixels.nbytes, 1)


_caches: dict[int, ImageCache] = {}


def shared_cache(megabytes: int) -> ImageCache:
    """Return the cache of this process and its workers.

    Args:
        megabytes: Its upper limit, MiB; another limit makes another cache.
    """
    if megabytes not in _caches:
        _caches[megabytes] = ImageCache(megabytes)
    return _caches[megabytes]


def clear_image_caches() -> None:
    """Give their memory back, for another run in this process."""
    _caches.clear()
