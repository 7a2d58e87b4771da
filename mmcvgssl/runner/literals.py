"""Literals as people write them on a command line."""

from __future__ import annotations

import ast
import re
from typing import Any

OPEN, CLOSE, QUOTES = '([{', ')]}', '\'"'
NOTHING = object()  # marks text that is no literal, as None is one
_WORDS = {'true': True, 'false': False, 'None': None}


def guess(text: str) -> Any:
    """Read text as a literal if it is one, and numbers with commas."""
    value = literal(text)
    if value is not NOTHING:
        return value
    parts = [literal(part) for part in split(text)]
    if len(parts) > 1 and all(
        is_number(part) or isinstance(part, (bool, list, tuple))
        for part in parts
    ):
        return parts
    return str(text)


def literal(text: str) -> Any:
    """Return the value of a literal, ``NOTHING`` if it is none."""
    text = text.strip()
    word = text if text == 'None' else text.lower()
    if word in _WORDS:
        return _WORDS[word]
    if text[:1] and text[:1] in '([' and text[-1:] in ')]':
        return _bracketed(text)
    try:
        number = float(text)
    except ValueError:
        pass
    else:
        # 007 is a name
        if re.fullmatch(r'[+-]?0\d[\d_]*', text) or number != number:
            return NOTHING
        try:
            return int(text)
        except ValueError:
            return number
    if len(split(text)) > 1:
        return NOTHING  # several
    try:
        return _evaluate(ast.parse(text, mode='eval').body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return NOTHING


def _bracketed(text: str) -> Any:
    """Read ``[a, (1, 2)]``; text in it needs no quotation marks."""
    content = inside(text)
    if content == text:
        return NOTHING
    parts = split(content)
    if text[0] == '(' and len(parts) == 1 and parts[0]:
        return literal(parts[0])  # (1) is 1, and (1,) is not
    values = [_element(part) for part in parts if part]
    return tuple(values) if text[0] == '(' else values


def _evaluate(node: ast.expr) -> Any:
    """Return the value of a literal, or of ``dict(a=1)``."""
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == 'dict'
        and not node.args
        and all(item.arg for item in node.keywords)
    ):
        return {str(item.arg): _evaluate(item.value) for item in node.keywords}
    if isinstance(node, (ast.List, ast.Tuple)):
        items = [_evaluate(item) for item in node.elts]
        return items if isinstance(node, ast.List) else tuple(items)
    if isinstance(node, ast.Dict) and None not in node.keys:
        return {
            ast.literal_eval(key): _evaluate(value)
            for key, value in zip(node.keys, node.values, strict=True)
            if key is not None
        }
    value = ast.literal_eval(node)
    if isinstance(value, (bool, int, float, str)) or value is None:
        return value
    raise ValueError('no value of a config')


def inside(text: str) -> str:
    """Take off brackets that belong together around a text."""
    text = text.strip()
    if len(text) < 2 or text[0] not in '([' or text[-1] not in ')]':
        return text
    depth = 0
    for index, char in _bare(text):
        depth += (char in OPEN) - (char in CLOSE)
        if depth == 0:
            whole = index == len(text) - 1
            pair = OPEN.index(text[0]) == CLOSE.index(char)
            return text[1:-1] if whole and pair else text
    return text


def split(text: str) -> list[str]:
    """Split at commas outside of brackets and quotation marks."""
    parts, depth, start = [], 0, 0
    for index, char in _bare(text):
        depth += (char in OPEN) - (char in CLOSE)
        if char == ',' and depth == 0:
            parts.append(text[start:index].strip())
            start = index + 1
    last = text[start:].strip()
    return [*parts, last] if last or not parts else [*parts, '']


def _bare(text: str) -> list[tuple[int, str]]:
    """Return the characters outside of quotation marks."""
    found, quote = [], ''
    for index, char in enumerate(text):
        if quote:
            quote = '' if char == quote else quote
        elif char in QUOTES and not text[:index].rstrip()[-1:].isalnum():
            quote = char
        else:
            found.append((index, char))
    return found


def unquoted(text: str) -> str:
    """Take off quotation marks around a text."""
    if len(text) > 1 and text[0] in QUOTES and text[0] == text[-1]:
        return text[1:-1]
    return text


def _element(text: str) -> Any:
    value = literal(text)
    return text if value is NOTHING else value


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
