"""Settings on the command line, typed by what the config holds there."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mmcvgssl.runner.literals import (
    NOTHING,
    QUOTES,
    guess,
    inside,
    is_number,
    literal,
    split,
    unquoted,
)

# their values are text, whatever they look like and wherever they stand
_TEXTS = frozenset(
    {
        *('data_root', 'ann_file', 'split_dir', 'list_file', 'leave_out'),
        *('category', 'layout', 'work_dir', 'load_from', 'checkpoint'),
        *('encoding', 'img_dir', 'mask_dir', 'type', 'experiment_name'),
    }
)
# values that may be the name None
_CALLED = _TEXTS - {'load_from', 'checkpoint', 'encoding'}
# values are names, one or several
_NAMES = frozenset({'classes', 'categories', 'good_names', 'ignore'})
# an empty value would mean none, or the current folder
_FILLED = frozenset(
    {
        *('data_root', 'work_dir', 'load_from', 'checkpoint', 'weights'),
        *('backbone_checkpoint', 'knowledge', 'maps', 'type'),
    }
)
_STAGE = re.compile(r'stages\.[^.]+\.options\..+')


class OptionText(str):
    """A value as it was typed; the config's value gives its type."""

    __slots__ = ()


class OptionAction(argparse.Action):
    """Collect ``key=value`` words, values as typed."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Add the words to what was given before."""
        options = dict(getattr(namespace, self.dest, None) or {})
        for word in values:
            key, equals, value = word.partition('=')
            if not equals or not key.strip():
                raise argparse.ArgumentError(
                    self,
                    f'expected key=value, got {word!r}; put quotation marks '
                    'around a value that holds a space: "key=a b"',
                )
            options[key.strip()] = OptionText(value)
        setattr(namespace, self.dest, options)


def type_options(
    options: Mapping[str, Any], config: Mapping[str, Any]
) -> dict[str, Any]:
    """Convert typed values to the types of the config's values.

    Text stays as it was typed, but for ``None``, which takes a setting away
    unless it may be the name of a folder, list or category. Numbers, true
    and false, None, lists and dicts are read as OpenMMLab's users write
    them: ``0.1``, ``1,2``, ``[(1,2),(3,4)]``, ``dict(type='X')``. Where the
    config holds nothing or None, what can be read so is; quotation marks
    make it text. What a pipeline hands on to a stage waits for the stage's
    config.

    Args:
        options: Options by dotted key; values of other types than
            :class:`OptionText` stay as they are.
        config: Config that options are merged into.

    Raises:
        ValueError: Names key and value of one that cannot be read.
    """
    return {
        key: _typed(key, value, config)
        if isinstance(value, OptionText)
        else value
        for key, value in options.items()
    }


def waits_for_stage(key: str, config: Mapping[str, Any]) -> bool:
    """Whether an option is of the config of a pipeline's stage."""
    return 'stages' in config and _STAGE.fullmatch(key) is not None


def _typed(key: str, text: OptionText, config: Mapping[str, Any]) -> Any:
    if waits_for_stage(key, config):
        return text
    current, name = _find(config, key.split('.')), key.rpartition('.')[2]
    if name in _FILLED and not text.strip():
        raise ValueError(
            f'{key}={str(text)!r} is empty: expected a file, a folder or a '
            'name; is a variable of the shell not set?'
        )
    if current is NOTHING or current is None:
        if text != 'None' and name in _TEXTS:
            return str(text)
        # a file may list classes
        if text != 'None' and name in _NAMES and not text.endswith('.txt'):
            return _sequence(('',), text, text)
        return guess(text)
    if text == 'None' and name not in _CALLED:
        return None
    try:
        return _as(current, str(text))
    except _Misfit as error:
        raise ValueError(
            f'{key}={str(text)!r}: expected {error}, as the config holds '
            f'{short(current)} there; for text all the same, put quotation '
            f'marks into the value: {key}="\'…\'"'
        ) from None


class _Misfit(ValueError):
    """A typed value of a wrong type; the message names the expected one."""


def _find(node: Any, names: Sequence[str]) -> Any:
    """Return what a config holds below these names."""
    for name in names:
        if isinstance(node, Mapping) and name in node:
            node = node[name]
        elif (
            isinstance(node, (list, tuple))
            and name.isdecimal()
            and int(name) < len(node)
        ):
            node = node[int(name)]
        else:
            return NOTHING
    return node


def _as(current: Any, text: str) -> Any:
    if isinstance(current, str):
        return text
    value = literal(text)
    if value is None:
        return None
    if isinstance(current, (list, tuple)):
        return _sequence(current, text, value)
    if isinstance(value, str) and text.strip()[0] in QUOTES:
        return value
    if isinstance(current, bool):
        if isinstance(value, bool) or (type(value) is int and value in (0, 1)):
            return bool(value)
        raise _Misfit('true or false')
    if isinstance(current, (int, float)):
        return _number(current, text, value)
    if isinstance(current, Mapping):
        dicts = value if isinstance(value, list) else [value]
        if all(isinstance(item, dict) for item in dicts):
            return value
        raise _Misfit("None or a dict such as dict(type='X')")
    return guess(text)


def _number(current: float, text: str, value: Any) -> Any:
    """Read a number, or several, as of a size that was one number."""
    if isinstance(value, (list, tuple)):
        if value and all(is_number(item) for item in value):
            return value
        raise _Misfit('a number, or several in brackets')
    if not is_number(value):
        try:
            value = int(text)  # 007
        except ValueError:
            raise _Misfit('a number, or several in brackets') from None
    if isinstance(current, float):
        return float(value)
    whole = isinstance(value, float) and value.is_integer()
    return int(value) if whole else value


def _sequence(current: Sequence[Any], text: str, value: Any) -> Any:
    """Read several values, each like the current ones."""
    kind = tuple if isinstance(current, tuple) else list
    if current and all(isinstance(item, str) for item in current):
        parts = split(inside(text))
        if not text.strip():
            raise _Misfit('names with commas between')
        return kind(unquoted(part) for part in parts if part)
    if not isinstance(value, (list, tuple)):
        parts = split(text)
        if len(parts) > 1:
            value = [guess(part) for part in parts if part]
        elif len(current) == 2 and all(is_number(item) for item in current):
            raise _Misfit('two values such as 1,2, or [1] for a list of one')
        else:
            value = [guess(text)]
    for one in (is_number, lambda item: isinstance(item, Mapping)):
        if current and all(map(one, current)) and not all(map(one, value)):
            like = 'numbers' if one is is_number else 'dicts'
            raise _Misfit(f'{like} in brackets, with commas between')
    return kind(value)


def short(value: Any) -> str:
    """Return the beginning of a value as text, for a message."""
    text = repr(value)
    return text if len(text) < 60 else f'{text[:56]} …'
