"""Docstrings as mkdocstrings reads them: the house writes them for Sphinx."""

from __future__ import annotations

import re
from typing import Any

import griffe

ROLE = re.compile(r':(?:class|func|meth|mod|attr|data):`~?([^`]+)`')


class ReadableDocstrings(griffe.Extension):
    """Lets examples be code, and names of classes be names."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Change the docstring of an object that was read."""
        if obj.docstring is not None:
            obj.docstring.value = readable(obj.docstring.value)


def readable(text: str) -> str:
    """Return a docstring with sections and names that griffe knows."""
    text = re.sub(r'^Example:$', 'Examples:', text, flags=re.M)
    return ROLE.sub(r'`\1`', text)
