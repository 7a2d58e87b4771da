"""References in a config: ``'${view_size}'`` is the value of a setting.

mmengine knows no references. Once this package is imported, a config that
names it in ``custom_imports`` holds values wherever mmengine reads it, so that
the hosts' own tools and ``Config.fromfile`` run it, too.
"""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType
from typing import Any

from .changes import set_attribute

_REFERENCE = re.compile(r'\$\{(?P<len>len:)?(?P<name>[A-Za-z_]\w*(?:\.\w+)*)}')
_FORMS = '${NAME}, ${NAME.KEY} or ${len:NAME}'
_left = ContextVar('references_left', default=False)


def resolve_when_read(module: ModuleType) -> None:
    """Have ``mmengine.config.Config`` resolve references in files.

    What nothing sets stays a reference, which the error of whatever reads it
    then names.

    Args:
        module: ``mmengine.config.config``.
    """
    init = module.Config.__init__

    @functools.wraps(init)
    def resolving_init(
        self: Any, cfg_dict: Any = None, *args: Any, **kwargs: Any
    ) -> None:
        init(self, cfg_dict, *args, **kwargs)
        if self.filename and not _left.get() and _names_us(self._cfg_dict):
            take_defaults(self._cfg_dict)
            resolve(self._cfg_dict, missing=True)

    set_attribute(module.Config, '__init__', resolving_init)


@contextmanager
def references_left() -> Iterator[None]:
    """Have mmengine leave references, for options that come after."""
    token = _left.set(True)
    try:
        yield
    finally:
        _left.reset(token)


def take_defaults(config: MutableMapping[str, Any]) -> None:
    """Set what nothing else sets to the values of ``defaults``."""
    for name, value in config.pop('defaults', {}).items():
        config.setdefault(name, value)


def _names_us(config: Mapping[str, Any]) -> bool:
    imports = (config.get('custom_imports') or {}).get('imports') or ()
    names = [imports] if isinstance(imports, str) else imports
    return any(str(n).partition('.')[0] == 'mmcvgssl' for n in names)


class Literal(str):
    """Text that is no reference, whatever it looks like."""

    __slots__ = ()


def literal(value: Any) -> Any:
    """Mark every text in a value as no reference."""
    if type(value) is str:  # what waits for a stage stays as it was typed
        return Literal(value)
    if isinstance(value, Mapping):
        return {key: literal(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(literal, value))
    return value


def find_references(node: Any, path: str = '') -> Iterator[tuple[str, str]]:
    """Find the references in a config.

    Args:
        node: The config, or a part of it.
        path: Dotted keys of the part.

    Yields:
        Dotted keys of the text that holds a reference, and what it refers
        to.
    """
    if isinstance(node, str):
        if type(node) is str:
            for found in _REFERENCE.finditer(node):
                yield path, found['name']
    else:
        for key, value in entries(node):
            yield from find_references(value, f'{path}.{key}'.strip('.'))


def resolve(config: MutableMapping[str, Any], missing: bool = False) -> None:
    """Replace references by values.

    A text that is one reference becomes a copy of the value, of any type; in
    a longer text the value is put in as text. ``${len:NAME}`` is the number
    of entries of a list.

    Args:
        config: Changed in place.
        missing: Leave references to what the config does not have.

    Raises:
        ValueError: Names a reference that leads nowhere or back to itself,
            or that cannot be read.
    """
    _Resolver(config, missing).expand(config, '', ())
    _unmark(config)


def is_behind_reference(key: str, config: Mapping[str, Any]) -> bool:
    """Whether dotted keys lead into what a reference stands for."""
    node: Any = config
    for name in key.split('.'):
        if isinstance(node, str):
            return bool(_REFERENCE.fullmatch(node))
        node = dict(entries(node)).get(name)
    return False


def entries(node: Any) -> list[tuple[str, Any]]:
    """List keys and values of a mapping or list; of others, none."""
    if isinstance(node, Mapping):
        return [(str(key), value) for key, value in node.items()]
    if isinstance(node, (list, tuple)):
        return [(str(key), value) for key, value in enumerate(node)]
    return []


def _unmark(node: Any) -> Any:
    """Return a value with plain texts; change mappings in place."""
    if isinstance(node, Literal):
        return str(node)
    if isinstance(node, MutableMapping):
        for key, value in list(node.items()):
            new = _unmark(value)
            if new is not value:
                node[key] = new
    elif isinstance(node, (list, tuple)):
        return type(node)(map(_unmark, node))
    return node


class _Resolver:
    """Looks up what texts refer to.

    Args:
        config: See :func:`resolve`.
        missing: See :func:`resolve`.
    """

    def __init__(self, config: Mapping[str, Any], missing: bool) -> None:
        self.config = config
        self.missing = missing

    def expand(self, node: Any, path: str, trail: tuple[str, ...]) -> Any:
        """Return a value without references; change mappings in place."""
        if type(node) is str:
            return self._text(node, path, trail) if '${' in node else node
        if isinstance(node, MutableMapping):
            for key, value in list(node.items()):
                new = self.expand(value, f'{path}.{key}'.strip('.'), trail)
                if new is not value:
                    node[key] = new
        elif isinstance(node, (list, tuple)):
            new = [
                self.expand(value, f'{path}.{key}', trail)
                for key, value in enumerate(node)
            ]
            if any(a is not b for a, b in zip(node, new, strict=True)):
                return type(node)(new)
        return node

    def _text(self, text: str, path: str, trail: tuple[str, ...]) -> Any:
        whole = _REFERENCE.fullmatch(text)
        if whole:
            return self._value(whole, path, trail)

        def put_in(found: re.Match[str]) -> str:
            value = self._value(found, path, trail)
            if isinstance(value, (str, int, float)):
                return str(value)
            raise ValueError(
                f'{path}={text!r}: expected text or a number to put in, but '
                f'{found["name"]} is a {type(value).__name__}'
            )

        filled = _REFERENCE.sub(put_in, text)
        if '${' in _REFERENCE.sub('', text):
            raise ValueError(
                f'{path}={text!r}: expected references such as {_FORMS}'
            )
        return Literal(filled)

    def _value(
        self, found: re.Match[str], path: str, trail: tuple[str, ...]
    ) -> Any:
        name = found['name']
        if name in trail:
            raise ValueError(
                f'{path}: {" → ".join((*trail, name))} leads back to itself: '
                'set one of them to a value'
            )
        try:
            value = self._look_up(name, path, (*trail, name))
        except LookupError:
            if self.missing:
                return found[0]
            raise ValueError(
                f'{path} takes the value of {name}, which the config does '
                f'not have: set {name}, or add a base that does (a data set, '
                f'as in _base_/datasets), or set {path} itself'
            ) from None
        if not found['len']:
            return value
        if self.missing and isinstance(value, str):
            return found[0]
        if not isinstance(value, (list, tuple)):
            raise ValueError(
                f'{path} counts the entries of {name}: expected a list, got '
                f'{value!r}; set {path} itself'
            )
        return len(value)

    def _look_up(self, name: str, path: str, trail: tuple[str, ...]) -> Any:
        """Return a copy of what a name refers to, without references.

        Raises:
            LookupError: If there is nothing of this name.
        """
        node: Any = self.config
        for part in name.split('.'):
            if isinstance(node, str):
                node = self.expand(node, path, trail)
            node = dict(entries(node))[part]
        return self.expand(copy.deepcopy(node), name, trail)
