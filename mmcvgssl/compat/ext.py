"""Provide ``mmcv._ext`` where the compiled one is missing.

The finder stands last, so a compiled extension is always found first and
never touched. The module is built when it is imported.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NoReturn

from .changes import undo_by

EXT_NAME = 'mmcv._ext'
HOW_TO_COMPILE = (
    'Get the compiled mmcv: with torch and a C++ compiler (for CUDA also '
    'nvcc) installed, run `MMCV_WITH_OPS=1 pip install --no-deps '
    '--force-reinstall --no-cache-dir --no-build-isolation onedl-mmcv` (or '
    '`mim install mmcv` for the original distribution).'
)


def _missing_op(name: str) -> Callable[..., NoReturn]:
    """Stand in for an op: importable, but raises when called."""

    def call(*args: Any, **kwargs: Any) -> NoReturn:
        raise RuntimeError(
            f'mmcv op `{name}` is not among the torch-native ops of '
            f'mmcvgssl. {HOW_TO_COMPILE}'
        )

    call.__name__ = call.__qualname__ = name
    return call


class _ExtLoader:
    """Fills the module with the torch-native ops."""

    def create_module(self, spec: ModuleSpec) -> None:
        """Let the import system make a plain module."""

    def exec_module(self, module: ModuleType) -> None:
        """Add the ops, and for any other name one that raises."""
        from .ops import OPS

        def stand_in(name: str) -> Callable[..., NoReturn]:
            if name.startswith('_'):
                raise AttributeError(
                    f'module {EXT_NAME!r} has no attribute {name!r}'
                )
            return _missing_op(name)

        vars(module).update(OPS, __getattr__=stand_in)


class _ExtFinder:
    """Offers ``mmcv._ext`` to an import that found no compiled one."""

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Return a spec for ``mmcv._ext`` and for nothing else."""
        if name != EXT_NAME:
            return None
        loader: Any = _ExtLoader()
        return ModuleSpec(name, loader, origin='torch-native, mmcvgssl')


_FINDER = _ExtFinder()


def provide_ext() -> None:
    """Offer the torch-native ops to imports that find no compiled ones."""
    if _FINDER not in sys.meta_path:
        sys.meta_path.append(_FINDER)
        undo_by(_withdraw_ext)


def _withdraw_ext() -> None:
    sys.meta_path.remove(_FINDER)
    given = sys.modules.get(EXT_NAME)
    if isinstance(getattr(given, '__loader__', None), _ExtLoader):
        del sys.modules[EXT_NAME]
        vars(sys.modules['mmcv']).pop('_ext', None)


def ops_origin() -> str:
    """Return ``'compiled'``, ``'torch-native'`` or ``'missing'``."""
    try:
        spec = importlib.util.find_spec(EXT_NAME)
    except ImportError:  # no mmcv, or one that does not import
        return 'missing'
    if spec is None:
        return 'missing'
    native = isinstance(spec.loader, _ExtLoader)
    return 'torch-native' if native else 'compiled'
