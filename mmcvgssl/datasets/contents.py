"""Counts of the images that a data set uses and leaves out."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from mmcvgssl.processes import process_rank
from mmcvgssl.utils import log_once, printable, some

# reasons to leave something out, as summaries name them
HIDDEN = 'hidden'
SYSTEM = 'folders of the system'
RESULTS = 'results of this package'
SUFFIX = 'no image by suffix'
DISGUISED = 'an image by content, but not by suffix'
NOT_A_FILE = 'no regular file'
LOOP = 'link back to a folder above'
REPEATED = 'link to what is read at another path'
ODD_NAME = 'a name that lists of images cannot hold'
IGNORED = 'named by ignore'
UNREADABLE = 'unreadable'


@dataclass
class Contents:
    """Counts of the images that a data set uses and leaves out.

    Args:
        source: The folder or list.
        used: Counts by what they are of: ``{'images': 6, 'good': 4}``. The
            first is the total; the others are parts of it.
        left_out: Names of files and folders by reason.
        notes: Guesses, and how to set them.
        warnings: Problems that the user should look at.
    """

    source: str
    used: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def leave_out(self, reason: str, *names: str) -> None:
        """Add names that are left out for a reason."""
        if names:
            self.left_out.setdefault(reason, []).extend(names)

    def add(self, other: Contents, below: str = '') -> None:
        """Take over what another part of the same data leaves out.

        Args:
            other: Content of the part.
            below: Folder of the part, which its names are relative to.
        """
        start = f'{below}/' if below else ''
        for reason, names in other.left_out.items():
            self.leave_out(reason, *[f'{start}{name}' for name in names])
        self.notes += other.notes
        self.warnings += other.warnings

    @property
    def n_left_out(self) -> int:
        """How many files and folders were left out."""
        return sum(map(len, self.left_out.values()))

    def summary(self) -> str:
        """Return a summary in a line; the first count is the total."""
        (total, *parts) = self.used.items() or [('images', 0)]
        text = f'{printable(self.source)}: {total[1]} {total[0]}'
        if parts:
            counts = ', '.join(f'{n} {what}' for what, n in parts)
            text += f' ({counts})'
        return f'{text}; {self.left_out_text()}'

    def left_out_text(self) -> str:
        """Return the counts and first names left out, by reason."""
        reasons = [
            f'{reason}: {_counted(names)}'
            for reason, names in self.left_out.items()
        ]
        return f'left out: {"; ".join(reasons) or "nothing"}'

    def as_dict(self) -> dict[str, Any]:
        """Return the counts for a report in JSON."""
        return {
            'source': printable(self.source),
            'used': dict(self.used),
            'left_out': {k: len(v) for k, v in self.left_out.items()},
            'notes': [*self.notes, *self.warnings],
        }

    def lines(self) -> Iterable[tuple[int, str]]:
        """Yield level and text of each line for the log."""
        yield logging.INFO, self.summary()
        for level, texts in (
            (logging.INFO, self.notes),
            (logging.WARNING, self.warnings),
        ):
            for text in texts:
                yield level, f'{printable(self.source)}: {printable(text)}'

    def log(self) -> None:
        """Log the lines, once, in the main process."""
        loaders = sys.modules.get('torch.utils.data')
        if loaders is not None and loaders.get_worker_info() is not None:
            return
        if process_rank() > 0:
            return
        for level, text in self.lines():
            log_once(text, level)


def odd_name_error(path: str | PurePath) -> str:
    """Say why a file is not read whose name lists cannot hold."""
    return (
        f'{printable(str(path))}: {ODD_NAME}; rename the file: UTF-8, no tab '
        'and no line break'
    )


def _counted(names: list[str]) -> str:
    """Count names; of boxes, which have that of their image, both."""
    once = list(map(printable, dict.fromkeys(names)))
    if len(once) == len(names):
        return some(once)
    return f'{len(names)} in {some(once, "image")}'
