"""Delaying signals that end a program."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Turn Ctrl-C and SIGTERM into exceptions, but not in the middle of work.

    A context. Within it, SIGINT raises ``KeyboardInterrupt`` and SIGTERM
    ``SystemExit``: at once, or at the end of :meth:`deferred`. Outside of the
    main thread signals are left as they are, as Python asks, and so are those
    that are ignored.

    Args:
        active: Whether to do so.
    """

    def __init__(self, active: bool = True) -> None:
        self._active, self._owner = active, os.getpid()
        self._received: int | None = None
        self._busy = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        main = threading.current_thread() is threading.main_thread()
        for number in SIGNALS if self._active and main else ():
            before = signal.getsignal(number)
            # one that is no function of Python could not be put back
            if before not in (signal.SIG_IGN, None):
                self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Let what is done within be done first."""
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1
        if not self._busy and self._received is not None:
            self._stop(self._received)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._owner:  # a worker that was forked
            # Ctrl-C reaches both, and the owner ends its workers
            if number != signal.SIGINT:
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)
        elif self._busy:
            self._received = number
        else:
            self._stop(number)

    def _stop(self, number: int) -> None:
        self._received = None
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)
