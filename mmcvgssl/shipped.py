"""Files that travel with the package."""

from __future__ import annotations

from pathlib import Path


def shipped(kind: str) -> Path:
    """Return the folder of the package's ``configs`` or ``tools``.

    Tools may be missing: nothing but what is printed needs them.
    """
    package = Path(__file__).parent
    installed = package / '.mim' / kind
    return installed if installed.is_dir() else package.parent / kind
