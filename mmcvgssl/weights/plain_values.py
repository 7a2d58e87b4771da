"""Plain values in a file's config: bounded, finite, and no hidden names."""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from mmcvgssl.weights.errors import WeightsError

# Say where else a model of timm could come from.
FOREIGN_KEYS = ('pretrained_', 'cache_dir', 'hf_hub', 'url')
SIZES = frozenset({'scale', 'input_size', 'size', 'crop_size'})
MOST_DEPTH, MOST_VALUES, MOST_TEXT = 16, 4096, 128
MOST, MOST_SIDE = 1 << 16, 1 << 13

_KEY = re.compile(r'[A-Za-z0-9][A-Za-z0-9_\-]{0,63}')
_WORDS = re.compile(r'[A-Za-z0-9_+\- ]*')
_DOTTED = re.compile(r'[A-Za-z0-9_.\-]*')
# Texts that hold dots and name no code: a model of timm, layers of SSPCAB.
_DOTTED_KEYS = ('model_name', 'layers')

FIX = (
    'Take the file from its maker anew, or pass a config of your own '
    '(--config) where the tool takes one.'
)


class UnsafeConfigError(WeightsError):
    """A config in a file that names what no file may name."""


def refuse(source: str, key_path: str, expected: str, got: Any) -> NoReturn:
    """Say where a file's config goes beyond what it may say.

    Raises:
        UnsafeConfigError: Always.
    """
    raise UnsafeConfigError(
        f'{source}: expected {expected} in {key_path}, '
        f'got {reprlib.repr(got)}. {FIX}'
    )


def check_plain(
    value: Any,
    source: str,
    key_path: str,
    texts: bool = True,
    largest: int = MOST,
) -> None:
    """Check that a value is made of bounded numbers, texts, lists and dicts.

    Args:
        value: Read from a file.
        source: The file, for messages.
        key_path: Dotted keys of the value in the file.
        texts: Whether any text will do, or plain words alone.
        largest: Integer.

    Raises:
        UnsafeConfigError: Names the keys of the value.
    """
    check_depth(value, source, key_path)
    for count, (where, key, item, _) in enumerate(walk(value, key_path)):
        if count > MOST_VALUES:
            refuse(source, key_path, f'up to {MOST_VALUES} values', 'more')
        if isinstance(item, Mapping):
            for name in item:
                fits = name == '_scope_' or matches(_KEY, name)
                if not fits or name.startswith(FOREIGN_KEYS):
                    refuse(source, where, 'plain names of options', name)
        elif isinstance(item, str):
            _check_text(item, key, source, where, texts)
        elif isinstance(item, (int, float)) and not isinstance(item, bool):
            most = MOST_SIDE if key in SIZES else largest
            if isinstance(item, int) and abs(item) > most:
                refuse(source, where, f'a number up to {most}', item)
            if not math.isfinite(item):
                refuse(source, where, 'a finite number', item)
        elif item is not None and not isinstance(item, (bool, list, tuple)):
            kind = type(item).__name__
            refuse(source, where, 'numbers, texts, lists and dicts', kind)


def walk(
    value: Any, key_path: str, key: str = '', depth: int = 0
) -> Iterator[tuple[str, str, Any, int]]:
    """Yield keys with dots, last key, value and depth of nested values."""
    waiting = [(key_path, key, value, depth)]
    while waiting:
        key_path, key, value, depth = waiting.pop()
        yield key_path, key, value, depth
        if isinstance(value, Mapping):
            inner = [(f'{key_path}.{k}', str(k), v) for k, v in value.items()]
        elif isinstance(value, (list, tuple)):
            inner = [(f'{key_path}[{i}]', key, v) for i, v in enumerate(value)]
        else:
            continue
        waiting += [(p, k, v, depth + 1) for p, k, v in reversed(inner)]


def check_depth(value: Any, source: str, key_path: str) -> None:
    """Check that a value is not nested too deeply.

    Raises:
        UnsafeConfigError: If it is.
    """
    for where, _, _, depth in walk(value, key_path):
        if depth > MOST_DEPTH:
            refuse(source, key_path, f'nesting up to {MOST_DEPTH}', where)


def _check_text(
    text: str, key: str, source: str, where: str, any_words: bool
) -> None:
    if len(text) > MOST_TEXT:
        refuse(source, where, f'a text up to {MOST_TEXT} characters', text)
    if any_words or key in ('type', '_scope_'):
        return
    allowed = _DOTTED if key in _DOTTED_KEYS else _WORDS
    if not matches(allowed, text):
        refuse(source, where, 'plain words, no path, address or import', text)
    if key == 'model_name' and not _timm_has(text):
        refuse(source, where, 'the name of a model of timm', text)


def _timm_has(name: str) -> bool:
    import timm

    return timm.is_model(name)


def matches(pattern: re.Pattern[str], text: Any) -> bool:
    """Whether something is a text that a pattern describes in full."""
    return isinstance(text, str) and pattern.fullmatch(text) is not None
