"""What a check of a data set finds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from mmcvgssl.utils import printable, some

# from the gravest: figures or trainings are wrong; look at it; good to know
ERROR, WARNING, NOTE = SEVERITIES = ('error', 'warning', 'note')


@dataclass(frozen=True)
class Example:
    """One of the things that a finding is about.

    Args:
        line: What is said of it.
        files: Images that show it.
    """

    line: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """Something about a data set that its user should know.

    Args:
        kind: A word for scripts, such as ``unreadable``.
        severity: One of ``SEVERITIES``.
        text: What it is, for all examples.
        examples: Each of the things that it is about; none, if it is about
            the set as a whole.
        advice: What to do about it.
    """

    kind: str
    severity: str
    text: str
    examples: list[Example] = field(default_factory=list)
    advice: str = ''

    @classmethod
    def of(
        cls,
        kind: str,
        severity: str,
        text: str,
        lines: Iterable[str] = (),
        advice: str = '',
    ) -> Finding:
        """Make a finding whose examples are lines without pictures."""
        examples = [Example(printable(line)) for line in lines]
        return cls(kind, severity, text, examples, advice)

    def summary(self) -> str:
        """Return a line with count and first examples."""
        found = f': {some([e.line for e in self.examples])}'
        advice = f'; {self.advice}' if self.advice else ''
        text = printable(self.text)  # classes may have any name
        return f'{text}{found if self.examples else ""}{advice}'

    def as_dict(self) -> dict[str, Any]:
        """Return the same for scripts, with every example."""
        return {
            'kind': self.kind,
            'severity': self.severity,
            'count': len(self.examples),
            'text': self.text,
            'advice': self.advice,
            'examples': [
                {'text': example.line, 'images': [*example.files]}
                for example in self.examples
            ],
        }


def of_contents(
    left_out: dict[str, list[str]], warnings: Iterable[str], part: str
) -> list[Finding]:
    """Return what a folder leaves out, and what was guessed, as findings.

    Args:
        left_out: Names by reason, see :class:`Contents`.
        warnings: Problems that the reader of the folder has named.
        part: Name of the part.
    """
    from mmcvgssl.datasets import contents as why

    usual = {why.HIDDEN, why.SYSTEM, why.RESULTS, why.SUFFIX, why.IGNORED}
    found = [
        Finding.of(
            'left-out',
            NOTE if reason in usual else WARNING,
            f'{part}: left out, {reason}',
            names,
        )
        for reason, names in left_out.items()
    ]
    said = [printable(text) for text in dict.fromkeys(warnings)]
    return found + [
        Finding('layout', WARNING, f'{part}: {text}') for text in said
    ]
