"""The end of a program with the message of an error that a user can mend."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper

from mmcvgssl.interrupts import Interrupts
from mmcvgssl.processes import is_first_process
from mmcvgssl.progress import end_bars

_PATIENCE = 30.0  # seconds that the first process may need to end
DEBUG = 'MMCVGSSL_DEBUG'  # set where tracebacks are wanted
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
)


class UserErrorExit(SystemExit):
    """The end of a program, with code 1, by an error of the user's.

    Args:
        message: Its sentence, which has been printed.
    """

    def __init__(self, message: str) -> None:
        super().__init__(1)
        self.message = message


@contextmanager
def user_errors() -> Iterator[None]:
    """End the program with the message of an error of the user's.

    It says what was expected, what came and the fix. For those who write
    code the traceback stands above it if the environment variable
    ``MMCVGSSL_DEBUG`` is set. SIGTERM ends the program as Ctrl-C does, so
    that nothing half written is left.

    Raises:
        UserErrorExit: After such an error.
    """
    # a console of another encoding can print all names
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors='backslashreplace')
    try:
        with Interrupts():
            yield
    except (KeyboardInterrupt, SystemExit):
        end_bars()
        raise
    except Exception as error:
        end_bars()
        if not _is_of_user(error):
            raise
        if os.environ.get(DEBUG):
            import traceback

            traceback.print_exc()
        # a KeyError's text is quoted, and the first argument of others is
        # a number or a codec
        plain = error.args and not isinstance(error, (OSError, UnicodeError))
        text = _of_worker(str(error.args[0] if plain else error).strip())
        if not text or (isinstance(error, KeyError) and text.isidentifier()):
            where = (
                'the lines above say'
                if os.environ.get(DEBUG)
                else ('add --debug to see')
            )
            text = f'{type(error).__name__} {text}: {where} where'
        if not is_first_process():
            # the first says the same, and torchrun ends this one meanwhile
            time.sleep(_PATIENCE)
        print(f'\nERROR: {text}', file=sys.stderr)
        raise UserErrorExit(text) from None


def _is_of_user(error: Exception) -> bool:
    opencv = sys.modules.get('cv2')  # without importing it
    own = getattr(opencv, 'error', None)
    return isinstance(error, _USER_ERRORS) or (
        own is not None and isinstance(error, own)
    )


def _of_worker(text: str) -> str:
    """Return the message of an error of a worker, without its traceback."""
    caught = _CAUGHT.match(text)
    if caught is None:
        return text
    raised = re.compile(rf'^(?:\w+\.)*{caught[1]}: ', re.MULTILINE)
    ends = [found.end() for found in raised.finditer(text)]
    return text[ends[-1] :] if ends else text
