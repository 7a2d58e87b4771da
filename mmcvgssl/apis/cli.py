"""What the command-line tools share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from mmcvgssl.datasets import TooManyUnreadableError
from mmcvgssl.datasets.transforms import UnreadableImageError
from mmcvgssl.engine import InvalidLossError
from mmcvgssl.models.teachers import WeightsError
from mmcvgssl.models.weights import KeyMismatchError

_USER_ERRORS = (
    ImportError,
    InvalidLossError,
    KeyError,
    KeyMismatchError,
    OSError,
    TooManyUnreadableError,
    TypeError,
    UnreadableImageError,
    ValueError,
    WeightsError,
)


@contextmanager
def user_errors() -> Iterator[None]:
    """End with the message of an error that a user can mend.

    The traceback stays above it, for those who write code; the last lines
    say what was expected, what came and the fix.
    """
    try:
        yield
    except _USER_ERRORS as error:
        import traceback

        traceback.print_exc()
        # an OSError's first argument is a number, a KeyError's text quoted
        plain = error.args and not isinstance(error, OSError)
        text = error.args[0] if plain else error
        print(f'\nERROR: {text}', file=sys.stderr)
        raise SystemExit(1) from None
