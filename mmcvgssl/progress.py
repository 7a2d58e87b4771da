"""Bars of progress: on a terminal drawn, elsewhere a line now and then."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, TextIO
from weakref import WeakSet

from tqdm import tqdm

LOG = 'MMCVGSSL_LOG'  # what a command shows of the log: QUIET or VERBOSE
QUIET, VERBOSE = 'quiet', 'verbose'
SECONDS = 60.0  # between lines where no terminal shows them
_open: WeakSet[tqdm] = WeakSet()  # bars, and some that have ended
_NARROW = 72  # columns; with fewer, a bar would have no room
_SHORT = '{desc}: {n_fmt}/{total_fmt} [{remaining} left, {rate_fmt}{postfix}]'
_LINE = '{desc}: {n_fmt} of {total_fmt} {unit}s, {rate_fmt}, {remaining} left'


def log_level() -> str | None:
    """Return what a command shows of the log; None outside of commands."""
    return os.environ.get(LOG)


def on_terminal() -> bool:
    """Whether somebody sees bars move."""
    return sys.stderr is not None and sys.stderr.isatty()


def write_line(text: str, end: str = '\n') -> None:
    """Print a line on stderr, above the bar if one is drawn."""
    if on_terminal():
        tqdm.write(text, file=sys.stderr, end=end)
    else:
        print(text, file=sys.stderr, end=end, flush=True)


class Bar(tqdm):
    """A bar as wide as the terminal is now, with room for ``^C`` behind."""

    @property
    def format_dict(self) -> dict[str, Any]:
        """What the line is made of."""
        found = super().format_dict
        columns = found['ncols']
        if columns:
            found['ncols'] = max(columns - 2, 1)
            if columns < _NARROW and found['total']:
                found['bar_format'] = _SHORT
        return found


class Lines(tqdm):
    """Prints a whole line at a time, seldom whoever asks for it.

    Attributes:
        quiet_since: When there was a line at last.
    """

    quiet_since = 0.0

    @staticmethod
    def status_printer(file: TextIO) -> Callable[[str], None]:
        def show(text: str) -> None:
            if text.strip():
                print(text, file=file, flush=True)

        return show

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        """Print a line, if the last one was long ago."""
        now = time.time()
        if (
            now - max(self.quiet_since, getattr(self, 'start_t', 0.0))
            >= SECONDS
        ):
            self.quiet_since = now
            self.sp(str(self) if msg is None else msg)
        return False

    def close(self) -> None:
        """End without another line: the result comes next."""
        self.leave = False
        super().close()


def progress_bar(items: Iterable | None = None, **options: Any) -> tqdm:
    """Return a bar of progress with rate and time left, on stderr.

    Args:
        items: What is gone through, if it is not updated by hand.
        **options: Those of tqdm.
    """
    if on_terminal():
        bar = Bar(items, **{'dynamic_ncols': True, **options})
        _open.add(bar)
        return bar
    slow: dict[str, Any] = dict(
        mininterval=SECONDS, maxinterval=SECONDS, delay=SECONDS
    )
    if options.get('total') is not None or hasattr(items, '__len__'):
        slow['bar_format'] = _LINE
    return Lines(items, **{'ascii': True, **options, **slow})


def end_bars() -> None:
    """Leave no bar half drawn, after an error or Ctrl-C."""
    for bar in [*_open]:
        bar.close()
