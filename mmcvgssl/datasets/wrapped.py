"""The data sets inside wrappers."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

import numpy as np
from mmengine.dataset import (
    ClassBalancedDataset,
    ConcatDataset,
    RepeatDataset,
)
from torch.utils.data import ConcatDataset as TorchConcatDataset
from torch.utils.data import Subset


def inner_sets(data_set: Any) -> list:
    """Return the data sets inside wrappers, each once and in order.

    Args:
        data_set: A data set, or wrappers of any nesting around some.

    Example:
        >>> images = ['a.png', 'b.png']
        >>> wrapped = TorchConcatDataset([images, Subset(images, [0])])
        >>> inner_sets(wrapped)
        [['a.png', 'b.png']]
    """
    children = _wrapped(data_set)
    if not children:
        return [data_set]
    found: list = []
    for each in children:
        for one in inner_sets(each):
            if not any(one is other for other in found):
                found.append(one)
    return found


def inner_configs(node: Any) -> Iterator[MutableMapping[str, Any]]:
    """Yield the configs of data sets inside those of wrappers, in order.

    Args:
        node: Config of a data set, or a list of some, in any nesting.

    Example:
        >>> wrapped = {'type': 'RepeatDataset', 'dataset': {'type': 'A'}}
        >>> [*inner_configs([wrapped, {'type': 'B'}])]
        [{'type': 'A'}, {'type': 'B'}]
    """
    if isinstance(node, MutableMapping):
        inner = [node[k] for k in ('dataset', 'datasets') if node.get(k)]
        if not inner:
            yield node
        for each in inner:
            yield from inner_configs(each)
    elif isinstance(node, (list, tuple)):
        for item in node:
            yield from inner_configs(item)


def passes(data_set: Any) -> np.ndarray | None:
    """Count for each index how many before it stand for the same sample.

    Args:
        data_set: A data set, or wrappers of any nesting around some.

    Returns:
        Integers [len(data_set)]; None where each sample is named once.
    """
    if not _wrapped(data_set):
        return None
    starts: dict[int, int] = {}
    total = 0
    for each in inner_sets(data_set):
        starts[id(each)] = total
        total += len(each)
    samples = _samples(data_set, starts)
    order = np.argsort(samples, kind='stable')
    ordered = samples[order]
    first = np.r_[True, ordered[1:] != ordered[:-1]]
    positions = np.arange(len(samples))
    since = positions - np.maximum.accumulate(np.where(first, positions, 0))
    if not since.any():
        return None
    counts = np.empty_like(since)
    counts[order] = since
    return counts


def _wrapped(data_set: Any) -> list:
    """Return what a wrapper holds; nothing for a data set itself."""
    own = vars(data_set) if hasattr(data_set, '__dict__') else {}
    if 'datasets' in own:
        return list(own['datasets'])
    # mmengine's slice for `num_batch_per_epoch` hides what it holds
    for name in ('dataset', '_dataset'):
        if hasattr(own.get(name), '__getitem__'):
            return [own[name]]
    return []


def _samples(data_set: Any, starts: dict[int, int]) -> np.ndarray:
    """Number the sample behind each index."""
    children, n = _wrapped(data_set), len(data_set)
    if not children:
        return starts[id(data_set)] + np.arange(n)
    inner = [_samples(each, starts) for each in children]
    if isinstance(data_set, (ConcatDataset, TorchConcatDataset)):
        return np.concatenate(inner)
    if isinstance(data_set, RepeatDataset):
        return np.tile(inner[0], data_set.times)
    if isinstance(data_set, ClassBalancedDataset):
        return inner[0][np.asarray(data_set.repeat_indices)]
    if isinstance(data_set, Subset):
        return inner[0][np.asarray(data_set.indices)]
    # one that changes samples but not their order
    return inner[0][:n] if len(inner[0]) >= n else np.arange(n)
