"""Checks of the hosts' ``init_cfg=dict(type='Pretrained', …)``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from logging import FileHandler
from typing import Any

import torch
from mmengine.logging import MMLogger
from mmengine.model import BaseModule, PretrainedInit
from mmengine.runner import CheckpointLoader
from torch import Tensor, nn

from mmcvgssl.weights.errors import KeyMismatchError, WeightsError
from mmcvgssl.weights.files import read_checkpoint
from mmcvgssl.weights.load import COUNTER, require_fit
from mmcvgssl.weights.values import check_values, first

_CALL = '__call__'


def initialize(model: nn.Module) -> None:
    """Initialise a model as its config says, and check what it loads.

    mmengine lists how each parameter was set. The list goes to files of the
    log, and not to the terminal, where nobody has asked for it.

    Args:
        model: A model of a host; one without ``init_weights`` is left as it
            is.

    Raises:
        FileNotFoundError: See :func:`pretrained_must_fit`.
        WeightsError: See :func:`pretrained_must_fit`.
    """
    start: Any = getattr(model, 'init_weights', None)
    if start is not None:
        with pretrained_must_fit(model), _listed_in_files_alone(model):
            # as the check may have put its own in place
            model.init_weights()  # type: ignore[operator]


@contextmanager
def _listed_in_files_alone(model: nn.Module) -> Iterator[None]:
    """Make mmengine log initialisation to files alone, in the block."""
    if not isinstance(model, BaseModule):
        yield
        return
    tell = model._dump_init_info

    def tell_files() -> None:
        handlers = MMLogger.get_current_instance().handlers
        if any(isinstance(handler, FileHandler) for handler in handlers):
            tell()

    # of this module alone
    vars(model)['_dump_init_info'] = tell_files
    try:
        yield
    finally:
        del vars(model)['_dump_init_info']


@contextmanager
def pretrained_must_fit(model: nn.Module) -> Iterator[None]:
    """Have ``Pretrained`` refuse what it would load in part, in the block.

    mmengine takes what fits, warns and goes on; so do backbones that read
    the checkpoint themselves, as mmdet's Swin and PVT. Of a file, weights must
    fit as :data:`FITTING` says. What comes from an address
    (``torchvision://``, ``https://``) is made by the hosts for several models,
    so of it only something must fit. NaN and infinity are refused of both.

    Args:
        model: Model whose ``init_weights`` is called in the block.

    Raises:
        FileNotFoundError: In the block: if a file does not exist.
        KeyMismatchError: In the block: if too little fits.
        WeightsError: In the block: if a file cannot be read as weights, or
            a value is NaN or infinite.
    """
    given: Callable[[Any, nn.Module], None] = vars(PretrainedInit)[_CALL]
    seen: set[int] = set()

    def checked(self: PretrainedInit, module: nn.Module) -> None:
        seen.add(id(module))
        _check(module, str(self.checkpoint), self.prefix)
        given(self, module)

    with ExitStack() as stack:
        setattr(PretrainedInit, _CALL, checked)
        stack.callback(setattr, PretrainedInit, _CALL, given)
        for module in model.modules():
            source = _own_source(module)
            if source is not None:
                stack.enter_context(_reads_itself(module, source, seen))
        yield


def _own_source(module: nn.Module) -> str | None:
    """Return what a module reads in an ``init_weights`` of its own."""
    own = getattr(type(module), 'init_weights', BaseModule.init_weights)
    if own is BaseModule.init_weights:
        return None
    init_cfg = getattr(module, 'init_cfg', None)
    if isinstance(init_cfg, Mapping):
        source = init_cfg.get('checkpoint')
    else:
        source = getattr(module, 'pretrained', None)
    return source if isinstance(source, str) else None


@contextmanager
def _reads_itself(
    module: nn.Module, source: str, seen: set[int]
) -> Iterator[None]:
    """Check what a module's own ``init_weights`` loads, by its own names.

    Args:
        module: The module.
        source: File or address.
        seen: Modules, by id, that ``Pretrained`` has read for.
    """
    done: list[bool] = []

    def before(
        _module: nn.Module, state: dict[str, Any], prefix: str, *_: Any
    ) -> None:
        if prefix or done or id(module) in seen:
            return
        done.append(True)  # the check itself may try to load
        tensors = {k: v for k, v in state.items() if torch.is_tensor(v)}
        _check_state(module, tensors, source, '://' not in source, state)

    def read() -> None:
        if '://' not in source:
            _read_file(source)
        hook = module.register_load_state_dict_pre_hook(before)
        try:
            own()
        except (LookupError, RuntimeError) as error:
            if id(module) in seen:  # the error does not come from this reading
                raise
            reason = f'{type(error).__name__}: {" ".join(str(error).split())}'
            raise KeyMismatchError(
                f'init_cfg: expected weights of {type(module).__name__} by '
                f'the names that it reads itself in {source}, got others '
                f'({reason[:200]}); take weights of this architecture, or '
                'backbone_checkpoint instead of init_cfg, which reads more '
                'names'
            ) from error
        finally:
            hook.remove()

    own: Any = module.init_weights
    vars(module)['init_weights'] = read
    try:
        yield
    finally:
        del vars(module)['init_weights']


def _read_file(source: str) -> Mapping[str, Any]:
    if source.endswith('.safetensors'):
        raise WeightsError(
            f'init_cfg: expected a file of torch (.pth) for Pretrained, got '
            f"{source}; take type='mmcvgssl.PretrainedBackbone', or "
            'backbone_checkpoint'
        )
    return read_checkpoint(source, 'init_cfg')


def _check(module: nn.Module, source: str, prefix: str | None) -> None:
    is_file = '://' not in source
    if is_file:
        loaded = _read_file(source)
    else:
        loaded = CheckpointLoader.load_checkpoint(source, 'cpu', logger=None)
    name = f'{source} (prefix {prefix!r})' if prefix else source
    _check_state(module, _as_loaded(loaded, prefix), name, is_file, loaded)


def _check_state(
    module: nn.Module,
    state: Mapping[str, Tensor],
    name: str,
    is_file: bool,
    loaded: Mapping[str, Any],
) -> None:
    kind, own = type(module).__name__, module.state_dict()
    if _takes_none(module, state):
        raise KeyMismatchError(
            f'init_cfg: expected weights of {kind} in {name}, got none that '
            f'fit: it needs {first(list(own))}, the file holds '
            f'{first(list(_as_loaded(loaded, None)))}; '
            f'{_advice(own, loaded)}'
        )
    check_values(state, name, own)
    if is_file:
        require_fit(module, state, name)


def _as_loaded(
    loaded: Mapping[str, Any], prefix: str | None
) -> dict[str, Tensor]:
    """Return tensors by the names by which mmengine would look for them."""
    inner = loaded.get('state_dict', loaded)
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


def _advice(own: Mapping[str, Tensor], loaded: Mapping[str, Any]) -> str:
    """Say which prefix would do, if one does."""
    some = next(iter(own), '')
    for key in _as_loaded(loaded, None):
        if some and key.endswith(f'.{some}'):
            return f"set prefix='{key.removesuffix(some)}' beside checkpoint"
    return 'take weights of this architecture'
