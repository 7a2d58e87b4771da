"""The messages that the code of the package holds, with gaps for values."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

from tests.data import ROOT

LEAST = 25  # letters that tell a message from another


def parts_of(node: ast.expr) -> list[str | None] | None:
    """Return the text of an expression, None where a value is put in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        return [
            str(part.value) if isinstance(part, ast.Constant) else None
            for part in node.values
        ]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = parts_of(node.left), parts_of(node.right)
        if left is not None or right is not None:
            return [*(left or [None]), *(right or [None])]
    return None


def texts() -> Iterator[list[str | None]]:
    """Give the texts of all modules that are no docstrings."""
    for path in sorted((ROOT / 'mmcvgssl').rglob('*.py')):
        tree = ast.parse(path.read_text('utf-8'))
        said = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.expr) and id(node) not in said:
                parts = parts_of(node)
                if parts is not None:
                    yield parts


@cache
def messages() -> tuple[re.Pattern[str], ...]:
    """Return a pattern of each text that is long enough to be a message."""
    found = set()
    for parts in texts():
        literal = ''.join(part or '' for part in parts)
        if len(literal) >= LEAST and ' ' in literal.strip():
            found.add(''.join(map(_pattern, parts)))
    return tuple(re.compile(pattern) for pattern in sorted(found))


def _pattern(part: str | None) -> str:
    if part is None:
        return '.*'
    return re.escape(re.sub(r'\s', ' ', part))


def is_said(message: str) -> bool:
    """Whether the code has a text of which this is a case."""
    line = ' '.join(message.split())
    return any(pattern.fullmatch(line) for pattern in messages())
