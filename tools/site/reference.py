"""Which names the pages of the reference have, read from the sources."""

from __future__ import annotations

import ast
import re
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / 'mmcvgssl'
# stands in a page, where the names of a module or a registry follow
MARK = re.compile(r'^<!-- reference: ([\w.]+) -->$', re.M)


def reference(of: str) -> str:
    """Return the text of which mkdocstrings makes a part of the reference.

    Args:
        of: A module of the package, ``apis``, or a registry, ``MODELS``.
    """
    names = registered(of) if of.isupper() else public(of)
    return '\n\n'.join(f'::: {name}' for name in names)


def public(module: str) -> list[str]:
    """Return the names in ``__all__`` of a package, as ``mmcvgssl.X.NAME``."""
    home = PACKAGE.joinpath(*module.split('.'))
    for node in ast.parse((home / '__init__.py').read_text('utf-8')).body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == '__all__'
            for target in node.targets
        ):
            names = ast.literal_eval(node.value)
            return [f'mmcvgssl.{module}.{name}' for name in names]
    raise ValueError(f'{home}/__init__.py has no __all__')


def registered(registry: str) -> list[str]:
    """Return the classes that the package registers, by name."""
    found = {}
    for path in sorted(PACKAGE.rglob('*.py')):
        module = path.relative_to(PACKAGE.parent).with_suffix('')
        for node in ast.parse(path.read_text('utf-8')).body:
            if isinstance(node, ast.ClassDef) and any(
                ast.unparse(mark).startswith(f'{registry}.register_module(')
                for mark in node.decorator_list
            ):
                found[node.name] = '.'.join([*module.parts, node.name])
    if not found:
        raise ValueError(f'no class of mmcvgssl is in a registry {registry}')
    return [found[name] for name in sorted(found, key=str.lower)]
