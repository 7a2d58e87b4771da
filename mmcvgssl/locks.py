"""Folders that one run at a time writes to."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mmcvgssl.processes import on_first_process

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

LOCK = '.in_use'
_BUSY = (errno.EAGAIN, errno.EACCES)


class FolderInUseError(RuntimeError):
    """Another run writes to a folder."""


@contextmanager
def locked(
    folder: str | Path, name: str = LOCK, handed_on: bool = False
) -> Iterator[tuple[int, ...]]:
    """Hold a folder for one run, all of whose processes call this.

    The lock goes with the process that holds it, however it ends. File
    systems without locks are taken as they are.

    Args:
        folder: Is made if it is not there.
        name: Name of the lock's file.
        handed_on: Whether the lock is also that of the processes which the
            handle is given to, for as long as they live. Else the file is
            removed at the end.

    Yields:
        The handle of the file, in the first process, to hand on.

    Raises:
        FolderInUseError: If another run holds it.
        OSError: If the folder cannot be written to.
    """
    file, handles = Path(folder, name), []

    def take() -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        if fcntl is not None:
            handles.append(_take(file))

    on_first_process(take)
    try:
        yield tuple(handles)
    finally:
        for handle in handles:
            if not handed_on:
                file.unlink(missing_ok=True)
                # workers may have the handle, too; without locks there is
                # nothing to let go of
                with suppress(OSError):
                    fcntl.flock(handle, fcntl.LOCK_UN)
            os.close(handle)


def _take(file: Path) -> int:
    while True:
        handle = os.open(file, os.O_CREAT | os.O_RDWR, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _BUSY:
                return handle  # on a file system without locks
            holder = os.read(handle, 20).decode('ascii', 'replace').strip()
            os.close(handle)
            who = f' (process {holder})' if holder else ''
            raise FolderInUseError(
                f'{file.parent} is being written to by another run{who}: '
                'wait for it, end it, or choose another folder'
            ) from error
        # who had it may have removed the file since it was opened
        if file.exists() and os.path.samestat(os.fstat(handle), file.stat()):
            os.ftruncate(handle, 0)
            os.write(handle, str(os.getpid()).encode())
            return handle
        os.close(handle)
