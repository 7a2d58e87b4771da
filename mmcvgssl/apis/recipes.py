"""The recipes that come with the package, by name."""

from __future__ import annotations

import difflib
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmcvgssl.shipped import shipped

if TYPE_CHECKING:
    from mmengine.config import Config


def list_models(pattern: str = '*') -> list[str]:
    """List the recipes of the package: configs of models, by name.

    Args:
        pattern: Pattern of names, or of names with folders
            (``'anomaly/*'``); ``*`` stands for any characters.

    Returns:
        Sorted names, for :func:`get_config`.

    Example:
        >>> list_models('patchcore_lite0_*')
        ['patchcore_lite0_folder', 'patchcore_lite0_mvtec']
    """
    return sorted(
        name
        for name, path in _recipes().items()
        if fnmatch(name, pattern) or fnmatch(path, pattern)
    )


def get_config(name: str, options: dict[str, Any] | None = None) -> Config:
    """Load a recipe of the package.

    Args:
        name: One of :func:`list_models`.
        options: See :func:`load_config`.

    Raises:
        KeyError: If there is no such recipe; names similar ones.

    Example:
        >>> cfg = get_config('patchcore_lite0_folder', {'input_size': 320})
        >>> cfg.model.type
        'mmcvgssl.PatchCore'
    """
    # here, as listing recipes needs no host
    from mmcvgssl.runner.config import load_config

    return load_config(recipe_file(name), options)


def recipe_file(name: str) -> Path:
    """Return the file of a recipe.

    Raises:
        KeyError: If there is no such recipe; names similar ones.
    """
    recipes = _recipes()
    if name not in recipes:
        near = ', '.join(difflib.get_close_matches(name, recipes, 3))
        hint = f'did you mean {near}?' if near else 'list_models() names all'
        raise KeyError(f'no recipe {name!r}; {hint}')
    return shipped('configs') / f'{recipes[name]}.py'


def _recipes() -> dict[str, str]:
    """Return the paths of recipes below configs, without suffix, by name."""
    home = shipped('configs')
    return {
        path.stem: path.relative_to(home).with_suffix('').as_posix()
        for path in home.rglob('*.py')
        if path.relative_to(home).parts[0] != '_base_'
    }
