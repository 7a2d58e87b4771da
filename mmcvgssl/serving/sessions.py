"""The sessions of all visitors."""

from __future__ import annotations

import secrets
import tempfile
import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path

from mmcvgssl.serving.limits import Limits
from mmcvgssl.serving.served_model import ServedModel
from mmcvgssl.serving.session import Session, SessionEndedError

_PAUSE = 5.0  # seconds between looks for sessions that are over


class Sessions(AbstractContextManager):
    """Sessions by their keys; a context, at whose end nothing is left.

    Args:
        served: The model.
        limits: What a visitor may send.
    """

    def __init__(self, served: ServedModel, limits: Limits) -> None:
        self.served, self.limits = served, limits
        # of mode 700
        self._home = tempfile.TemporaryDirectory(prefix='mmcvgssl-serve-')
        self._sessions: dict[str, Session] = {}
        self._lock, self._over = threading.Lock(), threading.Event()
        self._watch = threading.Thread(target=self._end_idle, daemon=True)
        self._watch.start()

    @property
    def home(self) -> Path:
        """The folder of all sessions' folders."""
        return Path(self._home.name)

    def __len__(self) -> int:
        return len(self._sessions)

    def new(self) -> Session:
        """Begin a session.

        Raises:
            SessionEndedError: If there are too many.
        """
        key = secrets.token_urlsafe(18)
        with self._lock:
            if self._over.is_set() or len(self) >= self.limits.sessions:
                raise SessionEndedError(
                    f'{len(self)} visitors are here already: come back later'
                )
            folder = self.home / f'session-{key}'
            made = Session(key, folder, self.served, self.limits)
            self._sessions[key] = made
        return made

    def get(self, key: str) -> Session:
        """Return a session whose visitor gives a sign.

        Raises:
            SessionEndedError: If there is none, or none any more.
        """
        found = self._sessions.get(key)
        if found is None:
            raise SessionEndedError(
                'this session is over, and what was sent is deleted: reload '
                'the page'
            )
        found.touch()
        return found

    def end(self, key: str) -> None:
        """End a session, if it is there, and delete what was sent."""
        with self._lock:
            found = self._sessions.pop(key, None)
        if found is not None:
            found.end()

    def __exit__(self, *error: object) -> None:
        self._over.set()
        for key in [*self._sessions]:
            self.end(key)
        self._watch.join()
        self._home.cleanup()

    def _end_idle(self) -> None:
        while not self._over.wait(min(_PAUSE, self.limits.patience)):
            oldest = time.monotonic() - self.limits.patience
            for key, session in [*self._sessions.items()]:
                if session.seen < oldest:
                    self.end(key)
