"""mmpretrain's multimodal models beside transformers 5.

They need functions that transformers 5 removed, and the import of mmpretrain
fails with them. Nothing here needs them: mmpretrain leaves them out, as where
transformers is not installed.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

from .changes import set_attribute
from .import_hook import after_import

FIRST_BROKEN = 5


def _switch_off(module: ModuleType) -> None:
    try:
        major = int(version('transformers').partition('.')[0])
    except (PackageNotFoundError, ValueError):
        return
    if major >= FIRST_BROKEN:
        set_attribute(module, 'WITH_MULTIMODAL', False)


def spare_new_transformers() -> None:
    """Let ``import mmpretrain`` succeed beside transformers 5 and newer."""
    after_import('mmpretrain.utils.dependency', _switch_off)
