"""Work of one process for all, exchange between them, and threads."""

from __future__ import annotations

import datetime
import os
import pickle
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from mmcvgssl.utils import available_cores

if TYPE_CHECKING:
    import torch
    from torch import Tensor

S = TypeVar('S')
T = TypeVar('T')

# longer than anything takes; a process that ends is noticed at once
PATIENCE = datetime.timedelta(days=365)
# items that a thread takes at once, and such parts that wait for each thread
_PART, _AHEAD = 8, 4


def on_first_process(work: Callable[[], T]) -> T:
    """Do something in the first process, and give all its result or error.

    The others wait for as long as it takes: not the timeout of their group
    counts, but one of their own for this. Every process has to call it.

    Args:
        work: Function whose result is sent to the others.
    """
    if process_count() == 1:
        return work()
    from mmengine.dist import broadcast_object_list
    from torch import distributed as dist

    # gloo, as what is waited for need not be on a device
    group = dist.new_group(backend='gloo', timeout=PATIENCE)
    box: list = [None, None]
    try:
        if process_rank() == 0:
            try:
                box[0] = work()
            except Exception as error:
                broadcast_object_list([None, as_sent(error)], group=group)
                raise
        broadcast_object_list(box, group=group)
    finally:
        dist.destroy_process_group(group)
    if box[1] is not None:
        raise box[1]
    return box[0]


def process_count() -> int:
    """Count the processes of this run, without importing torch for it."""
    group = _group()
    return 1 if group is None else group.get_world_size()


def process_rank() -> int:
    """Return the number of this process, from 0 on."""
    group = _group()
    return 0 if group is None else group.get_rank()


def by_torchrun() -> bool:
    """Whether torchrun has started this process, and maybe others."""
    return 'TORCHELASTIC_RUN_ID' in os.environ


def is_first_process() -> bool:
    """Whether this is the first process, also before they form a group."""
    if _group() is None and by_torchrun():
        return os.environ.get('RANK', '0') == '0'
    return process_rank() == 0


def _group() -> Any:
    """Return torch's module of processes, if there are others."""
    group = sys.modules.get('torch.distributed')
    if group is None or not group.is_available():
        return None
    return group if group.is_initialized() else None


def tensors_of_first_process(
    work: Callable[[], dict[str, Tensor]], device: torch.device
) -> dict[str, Tensor]:
    """Compute tensors in the first process, and give all of them to each.

    Args:
        work: Makes them; see :func:`on_first_process`.
        device: Device of this process, where the tensors go.
    """

    def send() -> dict[str, Tensor]:
        made = work()
        return made if process_count() == 1 else moved(made, 'cpu')

    return moved(on_first_process(send), device)


def moved(data: Any, device: torch.device | str) -> Any:
    """Put all tensors in tuples, lists and dicts on a device."""
    from torch import Tensor

    if isinstance(data, Tensor):
        return data.to(device)
    if isinstance(data, dict):
        return {key: moved(value, device) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return type(data)(moved(value, device) for value in data)
    return data


class Team:
    """All processes, which exchange objects as long as it takes.

    The group is made when it is first needed; :meth:`close` ends it.
    """

    def __init__(self) -> None:
        self.rank, self.size = process_rank(), process_count()
        self._group: Any = None

    def exchange(self, item: T) -> list[T]:
        """Give each process the objects of all, by rank."""
        if self.size == 1:
            return [item]
        from mmengine.dist import all_gather_object

        return all_gather_object(item, self.group)

    def collect(self, item: T) -> list[T]:
        """Give the first process the objects of all; the others get none."""
        if self.size == 1:
            return [item]
        from mmengine.dist import gather_object

        return gather_object(moved(item, 'cpu'), group=self.group) or []

    @property
    def group(self) -> Any:
        """The group, without the timeout of the default one."""
        if self._group is None:
            from torch import distributed as dist

            # objects need not pass a device
            self._group = dist.new_group(backend='gloo', timeout=PATIENCE)
        return self._group

    def close(self) -> None:
        """End the group."""
        if self._group is not None:
            from torch import distributed as dist

            dist.destroy_process_group(self._group)
            self._group = None


def as_sent(error: Exception) -> Exception:
    """Return the error as the others can read it."""
    try:
        if type(pickle.loads(pickle.dumps(error))) is type(error):
            return error
    except Exception:  # whatever an error of others makes of it
        pass
    return RuntimeError(f'{type(error).__name__}: {error}')


def compute_threads() -> int:
    """Return how many threads compute: half of the cores, at least one.

    The others read images. The number does not depend on how many do, as
    networks round in another order with another number of threads.
    """
    return max(available_cores() // 2, 1)


@contextmanager
def limited_threads(most: int) -> Iterator[None]:
    """Have torch compute with so many threads at most.

    The number is the whole process's, so it holds for as short as it can.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(min(before, most))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def in_threads(
    work: Callable[[S], T], items: Iterable[S], threads: int | None = None
) -> Iterator[T]:
    """Do something with each item in threads; yield the results in order.

    Few items are taken ahead, so that memory does not grow with their number.

    Args:
        work: What waits for files, or lets other threads go on.
        items: The items.
        threads: Number of threads; by default some more than there are cores.

    Raises:
        Exception: The first error of the work, in the order of the items.

    Example:
        >>> list(in_threads(abs, [-1, 2, -3]))
        [1, 2, 3]
    """
    count = threads or min(32, available_cores() + 4)
    left = iter(items)
    parts = iter(lambda: list(islice(left, _PART)), [])
    with ThreadPoolExecutor(count) as pool:
        futures = (pool.submit(list, map(work, part)) for part in parts)
        for found in in_order(futures, count * _AHEAD):
            yield from found


def in_order(futures: Iterable[Future[T]], most: int) -> Iterator[T]:
    """Yield results in order, of which few are waited for at once.

    Args:
        futures: Given one by one, each as it is asked for.
        most: Number that wait at most.

    Raises:
        Exception: The first error, in this order.

    Example:
        >>> with ThreadPoolExecutor() as pool:
        ...     list(in_order((pool.submit(abs, -i) for i in range(3)), 2))
        [0, 1, 2]
    """
    waiting: deque[Future[T]] = deque()
    for future in futures:
        waiting.append(future)
        if len(waiting) >= most:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
