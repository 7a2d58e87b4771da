"""Atomic writing of checkpoints."""

from __future__ import annotations

from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from mmcvgssl.utils import atomic_write

NAME = 'mmcvgssl.atomic'


@register_backend(NAME, force=True)
class AtomicBackend(LocalBackend):
    """mmengine's local files, each written under another name first.

    A process that is killed, or a disk that is full, leaves the file of
    before.
    """

    def put(self, obj: bytes | memoryview, filepath: str) -> None:
        """Write bytes to a file; parent folders are made."""
        atomic_write(filepath, bytes(obj))

    def put_text(
        self, obj: str, filepath: str, encoding: str = 'utf-8'
    ) -> None:
        """Write a text to a file; parent folders are made."""
        atomic_write(filepath, obj.encode(encoding))


def write_atomically(runner: Runner) -> None:
    """Have a runner write its checkpoints to local folders atomically."""
    for hook in runner.hooks:
        if (
            isinstance(hook, CheckpointHook)
            and hook.backend_args is None
            and hook.file_client_args is None
            and '://' not in (hook.out_dir or '')
        ):
            hook.backend_args = dict(backend=NAME)
