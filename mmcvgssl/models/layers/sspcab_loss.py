"""The reconstruction losses of SSPCABs, from the blocks to the loss dict.

A block gives its loss to the innermost :func:`sspcab_losses` that is open.
Models of the package open one in their ``loss`` (:func:`with_sspcab_loss`),
models of the hosts get one around their forward pass
(:func:`add_sspcab_loss`). Both lie inside DDP's and autocast's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import torch
from torch import Tensor, nn

from mmcvgssl.models.layers.sspcab import SSPCAB

LOSS = 'loss_sspcab'


class CollectedSSPCAB(SSPCAB):
    """An SSPCAB whose loss is collected by the model around it.

    Args:
        loss_weight: Factor of its reconstruction loss; 0 leaves it out.
        **kwargs: Options of :class:`SSPCAB`.

    Raises:
        RuntimeError: In a backward pass, if nothing collects the loss.
    """

    def __init__(self, loss_weight: float, **kwargs) -> None:
        super().__init__(**kwargs)
        self.loss_weight = loss_weight
        # losses of each pass of the backbone, for each open collection
        self.collecting: list[list[Tensor]] = []

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, C, H, W] to [N, C, H, W]."""
        out = super().forward(x)
        if self.reconstruction_loss is None or not self.loss_weight:
            return out
        if self.collecting:
            self.collecting[-1].append(self.reconstruction_loss)
        elif out.requires_grad:
            # refuse training only, not the extraction of features
            out.register_hook(_refuse)
        return out

    def __getstate__(self) -> dict:
        return {**super().__getstate__(), 'collecting': []}


@contextmanager
def sspcab_losses(model: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Collect the losses of the SSPCABs that run within the ``with`` block.

    Args:
        model: Holds them, at any depth.

    Yields:
        A dict, empty until the block ends. Then it holds ``loss_sspcab``, a
        scalar: the weighted losses, averaged over passes and summed over
        layers; nothing if there were none.

    Example:
        >>> block = CollectedSSPCAB(loss_weight=0.1, channels=16)
        >>> with sspcab_losses(block) as losses:
        ...     features = block(torch.rand(1, 16, 8, 8))
        >>> list(losses)
        ['loss_sspcab']
    """
    collected: dict[str, Tensor] = {}
    blocks = _open(model)
    try:
        yield collected
    finally:
        collected.update(_close(blocks))


def with_sspcab_loss(loss: Callable[..., dict]) -> Callable[..., dict]:
    """Decorate a model's ``loss`` so that it adds ``loss_sspcab``.

    Example:
        >>> class Model(nn.Sequential):
        ...     @with_sspcab_loss
        ...     def loss(self, inputs):
        ...         return {'loss_task': self(inputs).mean()}
        >>> model = Model(CollectedSSPCAB(loss_weight=0.1, channels=16))
        >>> sorted(model.loss(torch.rand(1, 16, 8, 8)))
        ['loss_sspcab', 'loss_task']
    """

    @wraps(loss)
    def wrapped(self: nn.Module, *args: Any, **kwargs: Any) -> dict:
        with sspcab_losses(self) as extra:
            losses = loss(self, *args, **kwargs)
        return {**losses, **extra}

    wrapped.adds_sspcab_loss = True  # type: ignore[attr-defined]
    return wrapped


def add_sspcab_loss(model: nn.Module) -> None:
    """Make a model of a host add ``loss_sspcab`` to its losses.

    ``forward(mode='loss')`` of this one model adds it from now on; twice does
    no harm.

    Args:
        model: Any model of mmengine's, without the wrapper of DDP.

    Example:
        >>> class Detector(nn.Sequential):
        ...     def forward(self, inputs, mode='tensor'):
        ...         return {'loss_task': super().forward(inputs).mean()}
        >>> model = Detector(CollectedSSPCAB(loss_weight=0.1, channels=16))
        >>> add_sspcab_loss(model)
        >>> sorted(model(torch.rand(1, 16, 8, 8), mode='loss'))
        ['loss_sspcab', 'loss_task']
    """
    if _add not in model._forward_hooks.values():
        model.register_forward_pre_hook(_before)
        # always_call: an interrupted pass must close its collection, too
        model.register_forward_hook(_add, with_kwargs=True, always_call=True)


def needs_sspcab_loss(model: nn.Module) -> bool:
    """Whether a model has SSPCABs and does not add their loss.

    Example:
        >>> block = CollectedSSPCAB(loss_weight=0.1, channels=16)
        >>> model = nn.Sequential(block)
        >>> needs_sspcab_loss(model)
        True
        >>> add_sspcab_loss(model)
        >>> needs_sspcab_loss(model)
        False
    """
    loss = getattr(type(model), 'loss', None)
    if getattr(loss, 'adds_sspcab_loss', False):
        return False
    added = _add in model._forward_hooks.values()
    return not added and any(block.loss_weight for block in _blocks(model))


def _before(model: nn.Module, args: tuple) -> None:
    _open(model)


def _add(
    model: nn.Module, args: tuple, kwargs: dict[str, Any], output: Any
) -> Any:
    terms = _close(_blocks(model))
    modes = [kwargs.get('mode'), *(a for a in args if isinstance(a, str))]
    if terms and 'loss' in modes and isinstance(output, dict):
        return {**output, **terms}
    return output


def _blocks(model: nn.Module) -> list[CollectedSSPCAB]:
    return [m for m in model.modules() if isinstance(m, CollectedSSPCAB)]


def _open(model: nn.Module) -> list[CollectedSSPCAB]:
    blocks = _blocks(model)
    for block in blocks:
        block.collecting.append([])
    return blocks


def _close(blocks: list[CollectedSSPCAB]) -> dict[str, Tensor]:
    terms = []
    for block in blocks:
        losses = block.collecting.pop()
        if losses:
            terms.append(block.loss_weight * torch.stack(losses).mean())
    return {LOSS: torch.stack(terms).sum()} if terms else {}


def _refuse(grad: Tensor) -> None:
    raise RuntimeError(
        'a backbone with SSPCAB is trained and nothing adds its loss: add '
        "dict(type='mmcvgssl.SSPCABLossHook') to custom_hooks, call "
        'mmcvgssl.models.layers.add_sspcab_loss(model) in a loop of your own, '
        'leave out activation checkpointing, which loses it, or set '
        'loss_weight=0 of mmcvgssl.WithSSPCAB to train without it'
    )
