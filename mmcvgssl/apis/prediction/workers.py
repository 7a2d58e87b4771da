"""Worker processes; each one has the images that it has decoded."""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection, wait
from typing import Any

import cv2

from mmcvgssl.processes import as_sent
from mmcvgssl.utils import available_cores

_FEW = 16  # for so few images, worker processes do not pay


class WorkerError(RuntimeError):
    """A worker process has ended."""


class Here:
    """Works at once and in this process; the like of :class:`Worker`.

    Args:
        job: Object whose methods are called.
    """

    def __init__(self, job: Any) -> None:
        self.job = job

    def submit(self, name: str, *args: Any) -> Future:
        """Call a method of the job."""
        future: Future = Future()
        future.set_result(getattr(self.job, name)(*args))
        return future

    def close(self) -> None:
        """Nothing is to be ended."""


class Worker:
    """A process that works off what it is given, in order.

    A thread of this process waits for it, so that neither side ever blocks
    the other.

    Args:
        job: Object whose methods are called, on a copy of it.
        number: Number of the worker, for messages.
    """

    def __init__(self, job: Any, number: int) -> None:
        # a new interpreter would import for seconds what this one has
        known = multiprocessing.get_all_start_methods()
        context: Any = multiprocessing.get_context(
            'fork' if 'fork' in known else None
        )
        self._ours, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve,
            args=(theirs, job),
            daemon=True,
            name=f'image-worker-{number}',
        )
        self._process.start()
        theirs.close()
        self._thread = ThreadPoolExecutor(max_workers=1)

    def submit(self, name: str, *args: Any) -> Future:
        """Have a method of the job called; its result comes later."""
        return self._thread.submit(self._ask, name, args)

    def close(self) -> None:
        """End the process, whatever it does."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._process.kill()
        self._thread.shutdown()
        self._process.join()
        self._ours.close()

    def _ask(self, name: str, args: tuple) -> Any:
        try:
            self._ours.send_bytes(pickle.dumps((name, args), protocol=5))
            result, error = pickle.loads(self._ours.recv_bytes())
        except (EOFError, OSError) as gone:
            raise WorkerError(self._why_ended()) from gone
        if error is not None:
            raise error
        return result

    def _why_ended(self) -> str:
        self._process.join(5)
        code = self._process.exitcode or 0
        how = f'with code {code}'
        if code < 0:
            how = f'by signal {signal.Signals(-code).name}'
        hint = ''
        if code == -signal.SIGKILL:
            hint = ', as a system does that runs out of memory'
        return (
            f'the process {self._process.name}, which reads images, was '
            f'ended {how}{hint}: type the command again, it goes on from '
            'what is done; with fewer --workers, or a smaller --batch-size, '
            'less memory is needed'
        )


class Workers:
    """Several workers, or none; a context manager.

    Args:
        job: See :class:`Worker`.
        count: Number of processes; 0: all is done here.
    """

    def __init__(self, job: Any, count: int) -> None:
        self.count = count
        self._all: list[Here | Worker] = []
        if not count:
            self._all = [Here(job)]
        # a process that is forked lacks the threads of OpenCV, and would wait
        # for them forever
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        try:
            for number in range(count):
                self._all.append(Worker(job, number))
        finally:
            cv2.setNumThreads(threads)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self._all:
            worker.close()

    def submit(self, key: int, name: str, *args: Any) -> Future:
        """Have a method called with ``key`` by the worker of that key."""
        return self._all[key % len(self._all)].submit(name, key, *args)


def workers_for(
    images: int | None, wanted: int | None, computes_here: bool
) -> int:
    """Return how many processes read so many images.

    Args:
        images: Number of images; None: nobody knows, and there are none by
            default.
        wanted: What the user says; None: :func:`default_workers`, and none
            for a few images.
        computes_here: Whether the model runs on the cores.
    """
    if images is None:
        return wanted or 0
    if wanted is not None:
        return min(wanted, images)
    return 0 if images < _FEW else default_workers(computes_here)


def default_workers(computes_here: bool) -> int:
    """Return how many processes read images: a core each, 8 at most.

    Args:
        computes_here: Whether the cores also run the model, which half of
            them are left to then; but two processes read where there are two
            cores, since each waits for the other part now and then.
    """
    cores = available_cores()
    wanted = max(cores // 2, 2) if computes_here else 8
    return min(wanted, cores, 8)


def _serve(connection: Connection, job: Any) -> None:
    """Work off what comes, until the other side is gone."""
    # the other process ends this one
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if 'torch' in sys.modules:
        sys.modules['torch'].set_num_threads(1)
    parent: Any = multiprocessing.parent_process()
    ends: Sequence[Any] = [connection, parent.sentinel]
    while connection in wait(ends):
        try:
            name, args = pickle.loads(connection.recv_bytes())
        except EOFError:
            return
        answer: tuple[Any, Exception | None]
        try:
            answer = getattr(job, name)(*args), None
        except Exception as error:  # raised where the result is requested
            answer = None, as_sent(error)
        connection.send_bytes(pickle.dumps(answer, protocol=5))
