"""The end of a program with the message of an error that a user can mend."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper

import cv2

from mmcvgssl.interrupts import Interrupts

# start of PyTorch's message for an error in a worker of a loader
_CAUGHT = re.compile(r'Caught (\w+) in DataLoader worker process')
_USER_ERRORS = (
    AssertionError,  # the hosts raise it for settings that they refuse
    ImportError,
    KeyError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    cv2.error,
)


@contextmanager
def user_errors() -> Iterator[None]:
    """End the program with the message of an error of the user's.

    The traceback stays above it, for those who write code; the last lines
    say what was expected, what came and the fix. SIGTERM ends the program as
    Ctrl-C does, so that nothing half written is left.
    """
    # a console of another encoding can print all names
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors='backslashreplace')
    try:
        with Interrupts():
            yield
    except _USER_ERRORS as error:
        import traceback

        traceback.print_exc()
        # a KeyError's text is quoted, and the first argument of others is
        # a number or a codec
        plain = error.args and not isinstance(error, (OSError, UnicodeError))
        text = _of_worker(str(error.args[0] if plain else error).strip())
        if not text or (isinstance(error, KeyError) and text.isidentifier()):
            text = f'{type(error).__name__} {text}: see the last lines above'
        print(f'\nERROR: {text}', file=sys.stderr)
        raise SystemExit(1) from None


def _of_worker(text: str) -> str:
    """Return the message of an error of a worker, without its traceback."""
    caught = _CAUGHT.match(text)
    if caught is None:
        return text
    raised = re.compile(rf'^(?:\w+\.)*{caught[1]}: ', re.MULTILINE)
    ends = [found.end() for found in raised.finditer(text)]
    return text[ends[-1] :] if ends else text
