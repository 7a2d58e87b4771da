"""Checkpoints are data: mmengine may load them without running their code.

``torch.load`` unpickles only what is known to be safe. This names what a
``Runner``'s checkpoint holds beyond tensors, and closes two ways round the
protection: onedl-mmengine falls back to full unpickling when a file is
refused, and both sets load downloaded files without protection.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from pickle import UnpicklingError
from types import ModuleType
from typing import Any

import numpy as np
import torch

from .changes import set_attribute, undo_by

UNSAFE_ENV = 'MMCVGSSL_UNSAFE_LOAD'


def may_run_code() -> bool:
    """Whether the user trusts files enough to unpickle anything."""
    return os.environ.get(UNSAFE_ENV, '') == '1'


def _refused(file: Any, error: Exception) -> UnpicklingError:
    return UnpicklingError(
        f'Refused to load `{file}`: it holds more than weights and training '
        f'state, and unpickling it could run code ({error}). Expected a '
        'checkpoint of tensors, numbers and strings. Get it from its author '
        'as a plain state dict or as .safetensors; or, only if you trust '
        f'whoever made the file, set the environment variable {UNSAFE_ENV}=1.'
    )


def load(
    file: Any, map_location: Any = None, weights_only: bool | None = None
) -> Any:
    """``torch.load`` that refuses what could run code.

    ``weights_only=False`` is honoured only under ``MMCVGSSL_UNSAFE_LOAD=1``.

    Raises:
        pickle.UnpicklingError: If the file holds an object that is not
            known to be safe.
    """
    if may_run_code():
        return torch.load(file, map_location, weights_only=False)
    # names what is safe, if nothing has imported it yet
    import_module('mmengine.logging')
    try:
        return torch.load(file, map_location, weights_only=True)
    except UnpicklingError as error:
        raise _refused(file, error) from error


def _safe_url(load_url: Callable[..., Any]) -> Callable[..., Any]:
    def safe_load_url(url: str, *args: Any, **kwargs: Any) -> Any:
        kwargs['weights_only'] = not may_run_code()
        try:
            return load_url(url, *args, **kwargs)
        except UnpicklingError as error:
            raise _refused(url, error) from error

    return safe_load_url


class _SafeTorch(ModuleType):
    """``torch`` with the safe ``load``, for a module that calls it."""

    load = staticmethod(load)

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


def protect_checkpoints(module: ModuleType) -> None:
    """Make ``mmengine.runner.checkpoint`` load safely."""
    change: dict[str, Any] = {'load_url': _safe_url(module.load_url)}
    if hasattr(module, '_safe_torch_load'):
        change['_safe_torch_load'] = load
    else:  # mmengine 0.10.7 calls `torch.load` in several places
        change['torch'] = _SafeTorch('torch')
    for name, value in change.items():
        set_attribute(module, name, value)


def _statistic(owner: Any, name: str) -> Any:
    """Stand in for ``getattr``, by which a pickle names a method.

    A ``HistoryBuffer`` stores its statistics as such names. Anything else
    reached by ``getattr`` could be code, so this finds nothing else.
    """
    from mmengine.logging import HistoryBuffer

    known = HistoryBuffer._statistics_methods
    if owner is HistoryBuffer and name in known:
        return known[name]
    raise UnpicklingError(
        f'getattr({owner!r}, {name!r}) is not a statistic of HistoryBuffer'
    )


def register_safe_globals() -> None:
    """Name what a ``Runner``'s checkpoint holds, for ``torch.load``."""
    from mmengine.logging import HistoryBuffer

    # A buffer that was never built knows no statistics yet.
    HistoryBuffer()._set_default_statistics()
    named: list[Any] = [HistoryBuffer, np.ndarray, np.dtype]
    named.append((_statistic, 'builtins.getattr'))
    # Arrays of objects stay out: they hold whatever a pickle can.
    named += [
        kind
        for name, kind in vars(np.dtypes).items()
        if name.endswith('DType') and name != 'ObjectDType'
    ]
    # numpy 2 renamed its core; checkpoints carry the name of their time.
    makers = {
        '_reconstruct': np.empty(0).__reduce__()[0],
        'scalar': np.float64(0).__reduce__()[0],
    }
    for core in ('numpy.core', 'numpy._core'):
        named += [(f, f'{core}.multiarray.{n}') for n, f in makers.items()]
    known = torch.serialization.get_safe_globals()
    new = [item for item in named if item not in known]
    torch.serialization.add_safe_globals(new)
    undo_by(lambda: _forget_safe_globals(new))


def _forget_safe_globals(new: list[Any]) -> None:
    earlier = [
        g for g in torch.serialization.get_safe_globals() if g not in new
    ]
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals(earlier)
