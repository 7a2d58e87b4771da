"""Gathering rows of all processes, with gradients."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.dist import get_rank, get_world_size
from torch import Tensor
from torch import distributed as dist


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        ctx.count = len(rows)
        parts = [torch.empty_like(rows) for _ in range(get_world_size())]
        dist.all_gather(parts, rows)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        # sum the gradients of all processes for these rows
        total = grads[0].contiguous().clone()
        dist.all_reduce(total)
        first = get_rank() * ctx.count
        return total[first : first + ctx.count]


def gather_rows(rows: Tensor) -> Tensor:
    """Return the rows of all processes, those of the first process first.

    A gradient is the sum of what all processes hand back; so under DDP,
    which averages, a mean over all rows that each process computes has the
    gradient that one process with all rows would find.

    Args:
        rows: [N, ...]; N has to be the same in all processes.

    Returns:
        [processes * N, ...]; ``rows`` itself in one process.

    Raises:
        ValueError: If another process has more or fewer rows (found out on
            CPUs; on other devices ``check_before_training`` does).

    Example:
        >>> gather_rows(torch.ones(2, 3)).shape  # in one process: the rows
        torch.Size([2, 3])
    """
    if get_world_size() == 1:
        return rows
    if rows.device.type == 'cpu':
        counts = [torch.zeros(1, dtype=torch.long)] * get_world_size()
        counts = [each.clone() for each in counts]
        dist.all_gather(counts, torch.tensor([len(rows)]))
        if len({int(count) for count in counts}) > 1:
            raise ValueError(
                'expected as many images in each process, got '
                f'{[int(count) for count in counts]}: set drop_last=True and '
                'the same batch_size, and let the sampler round up'
            )
    return _GatherRows.apply(rows.contiguous())


def whole_gradient(loss: Tensor) -> Tensor:
    """Return a loss unchanged; multiply its gradient by the process count.

    For a loss that each process computes over all rows, while its gradient
    reaches the process's own rows alone: DDP's average would be too small.

    Args:
        loss: Any shape.

    Example:
        >>> rows = torch.ones(2, requires_grad=True)
        >>> whole_gradient(rows.sum())  # in one process: the loss
        tensor(2., grad_fn=<SumBackward0>)
    """
    world = get_world_size()
    return loss if world == 1 else world * loss - (world - 1) * loss.detach()
