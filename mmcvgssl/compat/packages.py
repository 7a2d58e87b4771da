"""Finding installed packages without ``pkg_resources``.

mmengine 0.10.7 resolves ``_base_ = 'mmdet::...'`` with ``pkg_resources``,
which setuptools 82 removed.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import ModuleType

from .changes import set_attribute
from .import_hook import after_import

_HOME = 'mmengine.utils.package_utils'
_USERS = ('mmengine.utils', 'mmengine.config.config', 'mmengine.hub.hub')


def _module_folder(package: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent


def is_installed(package: str) -> bool:
    """Whether a distribution or a module of that name is there."""
    try:
        distribution(package)
    except PackageNotFoundError:
        return _module_folder(package) is not None
    return True


def get_installed_path(package: str) -> str:
    """Return the folder of the module that a distribution installs.

    Raises:
        ModuleNotFoundError: If there is none.
    """
    names = [package]
    try:
        found = distribution(package)
        # mmcv-lite, say, installs the module mmcv.
        names += (found.read_text('top_level.txt') or '').split()
    except PackageNotFoundError:
        pass
    for name in names:
        folder = _module_folder(name)
        if folder is not None:
            return str(folder)
    raise ModuleNotFoundError(
        f'Expected the package `{package}` to be installed, found none; run '
        f'`pip install {package}`.',
        name=package,
    )


def _replace(module: ModuleType) -> None:
    for new in (is_installed, get_installed_path):
        old = getattr(module, new.__name__, None)
        if old is not None and 'pkg_resources' in old.__code__.co_names:
            set_attribute(module, new.__name__, new)


def spare_pkg_resources() -> None:
    """Replace two functions of mmengine that need ``pkg_resources``.

    Touches nothing where ``pkg_resources`` is there, or not asked for.
    """
    if importlib.util.find_spec('pkg_resources') is not None:
        return
    # The others took the functions over if they were imported before.
    for name in _USERS:
        if name in sys.modules:
            _replace(sys.modules[name])
    after_import(_HOME, _replace)
