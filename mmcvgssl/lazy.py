"""Packages whose names are imported when they are used."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any


class _LazyPackage(ModuleType):
    """A package that imports its public names when they are asked for."""

    _lazy_homes: Mapping[str, str]

    def __getattr__(self, name: str) -> Any:
        # not those of modules, such as __path__
        homes = vars(self).get('_lazy_homes', {})
        if name not in homes:
            raise AttributeError(
                f'module {self.__name__!r} has no attribute {name!r}'
            )
        home = homes[name]
        if home.startswith('.'):
            home = self.__name__ + home
        module = import_module(home)
        if home == f'{self.__name__}.{name}' and not hasattr(module, name):
            return module  # a part that is a module itself
        found = getattr(module, name)
        super().__setattr__(name, found)
        return found

    def __setattr__(self, name: str, value: Any) -> None:
        # a module is set in its package by whoever imports it first, and must
        # not hide a function of the same name
        homes = vars(self).get('_lazy_homes', {})
        home = f'{self.__name__}.{name}'
        hides = isinstance(value, ModuleType) and value.__name__ == home
        if not (hides and name in homes and hasattr(value, name)):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *vars(self)['_lazy_homes']})


def lazy_names(package: str, homes: Mapping[str, str]) -> None:
    """Have a package import names when they are used.

    Args:
        package: Name of the package.
        homes: Modules of its names; ``'.part'`` is one below it.
    """
    module = sys.modules[package]
    vars(module)['_lazy_homes'] = dict(homes)
    module.__class__ = _LazyPackage
