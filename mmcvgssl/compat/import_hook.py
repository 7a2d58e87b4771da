"""Act around the import of a module that may never be imported."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from .changes import undo_by

Around = Callable[[ModuleType], AbstractContextManager[None]]


class _AroundLoader:
    """A module's own loader, run inside context managers."""

    def __init__(self, loader: Any, arounds: list[Around]) -> None:
        self._loader = loader
        self._arounds = arounds

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Leave the making of the module to its own loader."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code inside the context managers."""
        # this was for once; who asks the module later finds its own loader
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        with ExitStack() as stack:
            # what was asked for first is entered last, and acts first after
            for around in reversed(self._arounds):
                stack.enter_context(around(module))
            self._loader.exec_module(module)

    def __getattr__(self, name: str) -> Any:
        # Sources, resources and package data stay the real loader's matter.
        return getattr(self._loader, name)


class _AroundFinder:
    """Finds nothing itself; wraps the loaders of some modules."""

    def __init__(self) -> None:
        self.arounds: dict[str, list[Around]] = {}

    def find_spec(
        self, name: str, path: Any = None, target: Any = None
    ) -> ModuleSpec | None:
        """Find ``name`` as without this finder, then wrap its loader."""
        if name not in self.arounds:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, 'find_spec'):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                break
        else:
            return None
        if spec.loader is not None:
            loader: Any = _AroundLoader(spec.loader, self.arounds[name])
            spec.loader = loader
        return spec


_FINDER = _AroundFinder()


def around_import(name: str, around: Around) -> None:
    """Enter ``around(module)`` while module ``name`` is being executed.

    Has no effect on a module that is imported already.
    """
    _FINDER.arounds.setdefault(name, []).append(around)
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)
        undo_by(_withdraw)


def _withdraw() -> None:
    sys.meta_path.remove(_FINDER)
    _FINDER.arounds.clear()


def after_import(name: str, change: Callable[[ModuleType], None]) -> None:
    """Change module ``name``, at once or when it has been imported."""
    if name in sys.modules:
        change(sys.modules[name])
        return

    @contextmanager
    def around(module: ModuleType) -> Iterator[None]:
        yield
        change(module)

    around_import(name, around)
