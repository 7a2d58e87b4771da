"""Building what a file describes, within what the file itself holds."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from mmengine.registry import DefaultScope
from mmengine.registry import registry as registries
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mmcvgssl.registry import MODELS, TRANSFORMS
from mmcvgssl.weights.plain_values import FIX, UnsafeConfigError, refuse
from mmcvgssl.weights.safe_config import (
    check_backbone,
    check_transforms,
)

# What building needs besides the weights: position tables, a classifier
# that is let go, counters, and operations that fill a weight.
SLACK, SLACK_STEPS = 1 << 24, 4_000
TIMES, STEPS = 8, 400
# What one image makes that passes a network while it is built.
PASS = 1 << 28

# Arguments by which operations say how much they make.
_AMOUNTS = ('size', 'sizes', 'repeats', 'end', 'steps', 'n', 'num_classes')
_lock = threading.RLock()


class _Bounded(TorchDispatchMode):
    """Stop before tensors become more or larger than a file's own."""

    def __init__(
        self, tensors: Mapping[str, Tensor], source: str, passes: int = 0
    ) -> None:
        super().__init__()
        sizes = [value.numel() for value in tensors.values()]
        self.largest = TIMES * max(sizes, default=0) + SLACK
        self.total = TIMES * sum(sizes) + 4 * SLACK + passes * PASS
        self.steps = STEPS * len(sizes) + SLACK_STEPS
        self.source = source

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        size = _size(func, args, kwargs or {})
        self.total -= size
        self.steps -= 1
        if size > self.largest or self.total < 0 or self.steps < 0:
            raise UnsafeConfigError(
                f'{self.source}: expected a config of the size of the '
                'weights beside it, got one of a far larger model. '
                f'{FIX}'
            )
        return func(*args, **(kwargs or {}))


def _size(func: Any, args: tuple, kwargs: dict[str, Any]) -> int:
    """Return how many numbers an operation makes, about."""
    names = [argument.name for argument in func._schema.arguments]
    named = dict(zip(names, args, strict=False))
    named |= kwargs
    made = 0
    for key in (
        'size',
        'sizes',
        'repeats',
        'end',
        'steps',
        'n',
        'num_classes',
    ):
        value = named.get(key)
        if isinstance(value, (list, tuple)):
            value = math.prod(v for v in value if isinstance(v, int))
        if isinstance(value, (int, float)):
            made = max(made, int(min(abs(value), 1 << 62)))
    if func.is_view:
        return 0
    shapes = [v.shape for v in tree_leaves(args) if isinstance(v, Tensor)]
    if 'weight' in names and 'padding' in names:
        return max(made, _convolved(named))
    try:
        made = max(made, math.prod(torch.broadcast_shapes(*shapes)))
    except RuntimeError:  # not elementwise
        made = max([made, *(math.prod(shape) for shape in shapes)])
    return made if shapes or made else 0


def _convolved(named: Mapping[str, Any]) -> int:
    """Return a bound of what a convolution makes."""
    source, weight = named['input'], named['weight']
    sides = source.shape[2:]
    pads, steps = named.get('padding') or [0], named.get('stride') or [1]
    pads = weight.shape[2:] if isinstance(pads, str) else pads
    padding, stride = (
        [*part] * (len(sides) // len(part)) for part in (pads, steps)
    )
    grown = [side + 2 * pad for side, pad in zip(sides, padding, strict=True)]
    channels = weight.shape[0]
    if named.get('transposed'):
        pairs = zip(grown, stride, strict=True)
        grown = [side * step for side, step in pairs]
        channels = weight.shape[1] * named.get('groups', 1)
    return source.shape[0] * channels * math.prod(grown)


@contextmanager
def no_imports(source: str) -> Iterator[None]:
    """Have registries find registered names alone, in this thread."""
    owner = threading.get_ident()
    with _lock:
        known = registries.get_object_from_string

        def refuse(name: str) -> Any:
            if threading.get_ident() != owner:
                return known(name)
            raise UnsafeConfigError(
                f'{source}: expected names of registered classes, got '
                f'{name!r}. {FIX}'
            )

        registries.get_object_from_string = refuse
        try:
            yield
        finally:
            registries.get_object_from_string = known


def build_within(
    make: Callable[[], nn.Module],
    tensors: Mapping[str, Tensor],
    source: str,
    passes: int = 0,
) -> nn.Module:
    """Build what a file describes, not larger than the file's own tensors.

    Args:
        make: Builds it.
        tensors: Tensors of the file.
        source: The file, for messages.
        passes: How many images pass a network meanwhile.

    Raises:
        UnsafeConfigError: If it cannot be built, or not within these bounds.
    """

    def bounded() -> nn.Module:
        with _Bounded(tensors, source, passes):
            return make()

    return _built(bounded, source)


def build_transforms(steps: Any, source: str) -> list[Any]:
    """Build the transforms that a file lists, and try them.

    Raises:
        UnsafeConfigError: If one is not of those that a file may name.
    """
    checked = check_transforms(steps, source)

    def make() -> list[Any]:
        made = [TRANSFORMS.build(with_tuples(step)) for step in checked]
        trial = np.zeros((64, 64, 3), np.uint8)
        results = {'img_path': '', 'img': trial, 'ori_shape': (64, 64)}
        results['img_shape'] = (64, 64)
        for step in made:
            if not type(step).__name__.startswith('Load'):
                results = step(results)
        loads = bool(made) and type(made[0]).__name__.startswith('Load')
        if not loads or 'inputs' not in results:
            expected = 'steps that load an image first, and pack it last'
            refuse(source, 'pipeline', expected, [s['type'] for s in checked])
        return made

    return _built(make, source)


def with_tuples(value: Any) -> Any:
    """Return sizes and colours as tuples, as transforms take them."""
    if isinstance(value, Mapping):
        return {key: with_tuples(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        made = [with_tuples(item) for item in value]
        numbers = all(isinstance(item, (int, float)) for item in made)
        return tuple(made) if numbers else made
    return value


def _built(make: Callable[[], Any], source: str) -> Any:
    try:
        # whatever scope the process is in; the hosts' names are looked up in
        # this one alone
        scope = DefaultScope.overwrite_default_scope('mmpretrain')
        with no_imports(source), scope:
            return make()
    except (UnsafeConfigError, ModuleNotFoundError):
        raise
    except Exception as error:
        raise UnsafeConfigError(
            f'{source}: expected a config that can be built, got one that '
            f'cannot: {_line(error)}. {FIX}'
        ) from error


def build_backbone(
    cfg: Any, tensors: Mapping[str, Tensor], source: str
) -> nn.Module:
    """Build the backbone that a file describes, without loading weights.

    Raises:
        UnsafeConfigError: If the config names what no file may name, or does
            not belong to the tensors.
    """
    bare = check_backbone(cfg, source)
    return build_within(lambda: MODELS.build(bare), tensors, source)


def _line(error: Exception) -> str:
    """Return an error's text as one line, not too long."""
    text = ' '.join(f'{type(error).__name__}: {error}'.split())
    return text if len(text) < 300 else f'{text[:300]}…'
