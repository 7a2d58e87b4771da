"""Settings at the top of a config file that reach nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def check_reach(path: Path, config: Mapping[str, Any]) -> None:
    """Refuse what a file sets at its top, as of its base, and no part takes.

    A base's parts hold the value that the base had, whatever a file over it
    says later.

    Args:
        path: The config file, in Python.
        config: What it is with its bases.

    Raises:
        ValueError: Names the setting, and parts that hold another value.
    """
    if path.suffix != '.py':
        return
    tree = ast.parse(path.read_text('utf-8'))
    read = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    own = {
        target.id: step.lineno
        for step in tree.body
        if isinstance(step, ast.Assign)
        for target in step.targets
        if isinstance(target, ast.Name)
    }
    if '_base_' not in own:
        return
    for name, line in own.items():
        value = config.get(name)
        if name in read or not _is_plain(value):
            continue
        parts = {k: v for k, v in config.items() if isinstance(v, Mapping)}
        found = dict(_nested(parts, name))
        if found and value not in found.values():
            keys, other = next(iter(found.items()))
            raise ValueError(
                f'{path}:{line}: {name}={value!r} reaches no part of the '
                f'config: {keys} is {other!r}, as of the base; set {keys} '
                f'in the file, too, or give {name} on the command line '
                '(--cfg-options), which sets all that repeat it'
            )


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return isinstance(value, (str, int, float))


def _nested(
    node: Any, name: str, above: str = ''
) -> Iterator[tuple[str, Any]]:
    """Find values of a name below the top, by their dotted keys."""
    if isinstance(node, Mapping):
        items = list(node.items())
    elif isinstance(node, (list, tuple)):
        items = list(enumerate(node))
    else:
        return
    for key, value in items:
        keys = f'{above}.{key}' if above else str(key)
        if key == name and above and _is_plain(value):
            yield keys, value
        yield from _nested(value, name, keys)
