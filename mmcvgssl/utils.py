"""Small helpers without a better home."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def atomic_write(path: str | Path, data: bytes) -> None:
    """Write a file whole or not at all; parent folders are made."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
    try:
        with os.fdopen(handle, 'wb') as file:
            file.write(data)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def evenly(n: int, most: int) -> list[int]:
    """Choose at most ``most`` of ``n`` places, evenly over all."""
    last, count = n - 1, min(n, most)
    if count < 2:
        return list(range(count))
    return [round(i * last / (count - 1)) for i in range(count)]
