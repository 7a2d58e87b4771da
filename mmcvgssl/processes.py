"""What one process does for all."""

from __future__ import annotations

import datetime
import pickle
from collections.abc import Callable
from typing import TypeVar

from mmengine.dist import (
    broadcast_object_list,
    get_world_size,
    is_main_process,
)
from torch import distributed as dist

T = TypeVar('T')

# longer than anything takes; a process that ends is noticed at once
PATIENCE = datetime.timedelta(days=365)


def on_first_process(work: Callable[[], T]) -> T:
    """Do something in the first process, and give all its result or error.

    The others wait for as long as it takes: not the timeout of their group
    counts, but one of their own for this. Every process has to call it.

    Args:
        work: What it returns is sent to the others.
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
                broadcast_object_list([None, _sent(error)], group=group)
                raise
        broadcast_object_list(box, group=group)
    finally:
        dist.destroy_process_group(group)
    if box[1] is not None:
        raise box[1]
    return box[0]


def _sent(error: Exception) -> Exception:
    """Return the error as the others can read it."""
    try:
        if type(pickle.loads(pickle.dumps(error))) is type(error):
            return error
    except Exception:  # whatever an error of others makes of it
        pass
    return RuntimeError(f'{type(error).__name__}: {error}')
