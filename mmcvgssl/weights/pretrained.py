"""mmengine's ``init_cfg=dict(type='Pretrained', …)``, made to say no."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.model import PretrainedInit
from mmengine.runner import CheckpointLoader
from torch import Tensor, nn

from mmcvgssl.weights.errors import KeyMismatchError, WeightsError
from mmcvgssl.weights.files import read_checkpoint
from mmcvgssl.weights.load import COUNTER, require_fit
from mmcvgssl.weights.values import check_values, first

_CALL = '__call__'


@contextmanager
def pretrained_must_fit() -> Iterator[None]:
    """Have ``Pretrained`` refuse what it would load in part, in the block.

    mmengine takes what fits, warns and goes on. Of a file, weights must fit
    as :data:`FITTING` says. What comes from an address (``torchvision://``,
    ``https://``) is made by the hosts for several models, so of it only
    something must fit. NaN and infinity are refused of both.

    Raises:
        FileNotFoundError: In the block: if a file does not exist.
        KeyMismatchError: In the block: if too little fits.
        WeightsError: In the block: if a file cannot be read as weights, or
            a value is NaN or infinite.
    """
    given: Callable[[Any, nn.Module], None] = vars(PretrainedInit)[_CALL]

    def checked(self: PretrainedInit, module: nn.Module) -> None:
        _check(module, str(self.checkpoint), self.prefix)
        given(self, module)

    setattr(PretrainedInit, _CALL, checked)
    try:
        yield
    finally:
        setattr(PretrainedInit, _CALL, given)


def _check(module: nn.Module, source: str, prefix: str | None) -> None:
    is_file = '://' not in source
    if source.endswith('.safetensors'):
        raise WeightsError(
            f'init_cfg: expected a file of torch (.pth) for Pretrained, got '
            f"{source}; take type='mmcvgssl.PretrainedBackbone'"
        )
    if is_file:
        held: Mapping[str, Any] = read_checkpoint(source, 'init_cfg')
    else:
        held = CheckpointLoader.load_checkpoint(source, 'cpu', logger=None)
    state = _as_loaded(held, prefix)
    kind, own = type(module).__name__, module.state_dict()
    name = f'{source} (prefix {prefix!r})' if prefix else source
    if _takes_none(module, state):
        raise KeyMismatchError(
            f'init_cfg: expected weights of {kind} in {name}, got none that '
            f'fit: it needs {first(list(own))}, the file holds '
            f'{first(list(_as_loaded(held, None)))}; '
            f'{_advice(own, held)}'
        )
    check_values(state, name, own)
    if is_file:
        require_fit(module, state, name)


def _as_loaded(
    held: Mapping[str, Any], prefix: str | None
) -> dict[str, Tensor]:
    """Return tensors by the names by which mmengine would look for them."""
    inner = held.get('state_dict', held)
    start = 'module.' if prefix is None else f'{prefix.removesuffix(".")}.'
    return {
        key.removeprefix(start): value
        for key, value in inner.items()
        if torch.is_tensor(value) and (prefix is None or key.startswith(start))
    }


def _takes_none(module: nn.Module, state: Mapping[str, Tensor]) -> bool:
    own = module.state_dict()
    if own.keys() & state.keys():
        return False
    try:  # some classes of the hosts convert names while loading
        found = module.load_state_dict(dict(state), strict=False)
    except RuntimeError:  # of other shapes
        return False
    missing = {*found.missing_keys}
    # torch starts counters of old files itself
    return all(k in missing or k.endswith(COUNTER) for k in own)


def _advice(own: Mapping[str, Tensor], held: Mapping[str, Any]) -> str:
    """Say which prefix would do, if one does."""
    some = next(iter(own), '')
    for key in _as_loaded(held, None):
        if some and key.endswith(f'.{some}'):
            return f"set prefix='{key.removesuffix(some)}' beside checkpoint"
    return 'take weights of this architecture'
