"""Work of one process for all, and exchange between them."""

from __future__ import annotations

import datetime
import pickle
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from mmengine.dist import (
    all_gather_object,
    broadcast_object_list,
    gather_object,
    get_rank,
    get_world_size,
    is_main_process,
)
from torch import Tensor
from torch import distributed as dist

T = TypeVar('T')

# longer than anything takes; a process that ends is noticed at once
PATIENCE = datetime.timedelta(days=365)


def on_first_process(work: Callable[[], T]) -> T:
    """Do something in the first process, and give all its result or error.

    The others wait for as long as it takes: not the timeout of their group
    counts, but one of their own for this. Every process has to call it.

    Args:
        work: Function whose result is sent to the others.
    """
    if get_world_size() == 1:
        return work()
    # gloo, as what is waited for need not be on a device
    group = dist.new_group(backend='gloo', timeout=PATIENCE)
    box: list = [None, None]
    try:
        if is_main_process():
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
        return made if get_world_size() == 1 else moved(made, 'cpu')

    return moved(on_first_process(send), device)


def moved(data: Any, device: torch.device | str) -> Any:
    """Put all tensors in tuples, lists and dicts on a device."""
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
        self.rank, self.size = get_rank(), get_world_size()
        self._group: Any = None

    def exchange(self, item: T) -> list[T]:
        """Give each process the objects of all, by rank."""
        return (
            [item] if self.size == 1 else all_gather_object(item, self.group)
        )

    def collect(self, item: T) -> list[T]:
        """Give the first process the objects of all; the others get none."""
        if self.size == 1:
            return [item]
        return gather_object(moved(item, 'cpu'), group=self.group) or []

    @property
    def group(self) -> Any:
        """The group, without the timeout of the default one."""
        if self._group is None:
            # objects need not pass a device
            self._group = dist.new_group(backend='gloo', timeout=PATIENCE)
        return self._group

    def close(self) -> None:
        """End the group."""
        if self._group is not None:
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
