"""What a command shows of mmengine's log; the file has all of it."""

from __future__ import annotations

import logging
import sys
from io import TextIOBase

from mmengine.logging import MMLogger

from mmcvgssl.progress import QUIET, log_level, write_line

_LOGGING = ('logging', 'mmengine.logging')


class _AboveBars(TextIOBase):
    """Writes to stderr, above bars of progress that are drawn there."""

    def write(self, text: str) -> int:
        """Write whole lines, as handlers end a record with a new line."""
        write_line(text, end='')
        return len(text)

    def flush(self) -> None:
        """Flush stderr."""
        sys.stderr.flush()


class _OwnLines(logging.Filter):
    """Lets through what this package has to say, and warnings of hosts."""

    def filter(self, record: logging.LogRecord) -> bool:
        if _caller().startswith('mmcvgssl.'):
            return record.levelno >= logging.INFO
        # what a host is going to rename is no matter of who runs a command
        return (
            record.levelno >= logging.WARNING
            and 'deprecated' not in record.getMessage()
        )


def _caller() -> str:
    """Return the module that logs; ``print_log`` hides it from the record."""
    frame = sys._getframe(2)
    while frame is not None:
        name = str(frame.f_globals.get('__name__'))
        if not name.startswith(_LOGGING) and name != __name__:
            return name
        frame = frame.f_back  # type: ignore[assignment]
    return ''


class _PlainLines(logging.Formatter):
    """Without time and name; warnings are marked."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if record.levelno < logging.WARNING:
            return text
        return f'{record.levelname.lower()}: {text}'


def settle_terminal(logger: logging.Logger) -> None:
    """Have a logger show what the command that runs was asked to show.

    It writes to stderr then, since stdout is for the result. Outside of
    commands nothing is changed.

    Args:
        logger: Logger of mmengine.
    """
    level = log_level()
    for handler in logger.handlers if level is not None else ():
        # a file's handler is another
        if type(handler) is not logging.StreamHandler:
            continue
        # not setStream: it flushes the old one, which may be closed
        handler.stream = _AboveBars()
        if level == QUIET and not isinstance(handler.formatter, _PlainLines):
            handler.addFilter(_OwnLines())
            handler.setFormatter(_PlainLines())


def quieten_log() -> None:
    """Settle the log of work that has no Runner, and no file of its own."""
    settle_terminal(MMLogger.get_current_instance())
