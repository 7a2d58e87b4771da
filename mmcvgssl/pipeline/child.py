"""A process that a stage has of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

# seconds that an interrupted process gets to end by itself, and those that
# one which was asked to end gets: a launcher waits for its own processes
BY_ITSELF, ASKED = 10.0, 60.0


def run_child(words: Sequence[str], handles: tuple[int, ...]) -> int:
    """Run a command to its end, with the modules that this process has.

    Args:
        words: The command.
        handles: Files that are open in it, too.

    Returns:
        Its exit code.

    Raises:
        KeyboardInterrupt: If this process is interrupted; the other one has
            ended then.
        SystemExit: If this process is asked to end, after the command ended.
    """
    env = dict(os.environ)
    if '' not in sys.path and os.getcwd() not in sys.path:
        # -m would look in the current folder first, which may hold another
        # copy of the package (from Python 3.11 on)
        env['PYTHONSAFEPATH'] = '1'
    with subprocess.Popen(words, pass_fds=handles, env=env) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            print(
                'ending the stage; interrupt again to kill it', file=sys.stderr
            )
            _end(process)
            raise
        except SystemExit:  # SIGTERM, which no terminal sends to both
            process.terminate()
            _end(process)
            raise


def _end(process: subprocess.Popen) -> None:
    """End a process that the terminal has interrupted, too, or has not."""
    try:
        for seconds, ask in ((BY_ITSELF, process.terminate), (ASKED, None)):
            try:
                process.wait(seconds)
                return
            except subprocess.TimeoutExpired:
                if ask is not None:
                    ask()
    finally:
        process.kill()  # does nothing to one that has ended
