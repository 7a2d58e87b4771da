"""Counting files that cannot be read, over all workers of a loader."""

from __future__ import annotations

import hashlib
import multiprocessing

import torch

_SLOTS = 4096
# the workers of a loader are forked and share it
_MARKING = multiprocessing.Lock()


class UnreadableFiles:
    """A set of files that forked or spawned workers share."""

    def __init__(self) -> None:
        self._keys = torch.zeros(_SLOTS, dtype=torch.int64).share_memory_()

    def __deepcopy__(self, memo: dict) -> UnreadableFiles:
        return self

    def clear(self) -> None:
        """Count anew, for another run in this process."""
        self._keys.zero_()

    def add(self, path: str) -> tuple[bool, int]:
        """Count a file.

        Returns:
            Whether it is new, and how many there are; ``4096`` at most.
        """
        digest = hashlib.sha256(path.encode('utf-8', 'surrogateescape'))
        key = int.from_bytes(digest.digest()[:7], 'big') + 1
        with _MARKING:
            count = int((self._keys != 0).sum())
            if bool((self._keys == key).any()) or count == _SLOTS:
                return False, count
            self._keys[count] = key
            return True, count + 1


UNREADABLE = UnreadableFiles()
