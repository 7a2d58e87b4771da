"""Putting SSPCAB into the backbones of the hosts by config.

The host's backbone itself is returned, with one or more convolutions
replaced: all other keys of its state dict stay as they are, and whatever
model takes the backbone can take it. The model that it becomes part of is
told to add ``loss_sspcab`` to what its ``forward(mode='loss')`` returns, so
nothing of the model, the loop or the config has to know about it. That is
done inside the model's forward pass, hence inside DDP's and autocast's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.nn.modules.module import register_module_module_registration_hook

from mmcvgssl.models.layers.sspcab import SSPCAB
from mmcvgssl.registry import MODELS

LOSS = 'loss_sspcab'


class InsertedSSPCAB(SSPCAB):
    """An SSPCAB whose loss is collected by the model around it.

    Args:
        loss_weight: Factor of its reconstruction loss.
        **kwargs: Of :class:`SSPCAB`.
    """

    def __init__(self, loss_weight: float, **kwargs) -> None:
        super().__init__(**kwargs)
        self.loss_weight = loss_weight
        # losses of this pass of the model, which may run the backbone for
        # each view; None: nobody collects
        self.pending: list[Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, C, H, W] to [N, C, H, W]."""
        out = super().forward(x)
        if self.pending is not None and self.reconstruction_loss is not None:
            self.pending.append(self.reconstruction_loss)
        return out


@MODELS.register_module(name='WithSSPCAB')
def insert_sspcab(
    backbone: dict | nn.Module,
    layers: str | Sequence[str],
    loss_weight: float = 0.1,
    **kwargs,
) -> nn.Module:
    """Replace convolutions of a backbone by SSPCAB.

    In a config: ``backbone=dict(type='mmcvgssl.WithSSPCAB', backbone=dict(
    type='mmpretrain.ResNet', depth=18), layers='layer4.1.conv2')``.

    Args:
        backbone: Any convolutional backbone of mmpretrain, mmdet, mmyolo or
            timm, or its config.
        layers: Names of the convolutions within the backbone. Input and
            output must have the same channels, height and width.
        loss_weight: Factor of the reconstruction losses, which are summed
            over layers and averaged over passes; 0 leaves them out.
        **kwargs: Of :class:`SSPCAB`, besides ``channels``.

    Returns:
        The backbone itself.

    Raises:
        ValueError: If a layer is missing or cannot be replaced; the message
            names those that can be.
    """
    if loss_weight < 0:
        raise ValueError(f'loss_weight is 0 or more, got {loss_weight}')
    names = [layers] if isinstance(layers, str) else list(layers)
    if not names:
        raise ValueError('`layers` names no convolution to replace')
    net = MODELS.build(backbone) if isinstance(backbone, dict) else backbone
    for name in names:
        conv = _find(net, name)
        block = InsertedSSPCAB(
            loss_weight=loss_weight, channels=conv.in_channels, **kwargs
        )
        net.set_submodule(name, block.to(conv.weight))
    _watch_models()
    return net


def collect_losses(model: BaseModel) -> None:
    """Have a model add the losses of its SSPCABs to its loss dict.

    Models that a backbone of :func:`insert_sspcab` becomes part of do so
    already.
    """
    if _add_losses not in model._forward_hooks.values():
        model.register_forward_pre_hook(_start)
        model.register_forward_hook(_add_losses, with_kwargs=True)


def _start(model: nn.Module, args: tuple) -> None:
    if model.training:
        for block in _blocks(model):
            block.pending = []


def _add_losses(
    model: nn.Module, args: tuple, kwargs: dict[str, Any], output: Any
) -> Any:
    if not model.training:
        return output
    terms = []
    for block in _blocks(model):
        if block.pending and block.loss_weight:
            mean = torch.stack(block.pending).mean()
            terms.append(block.loss_weight * mean)
        block.pending = None
    modes = [kwargs.get('mode'), *(a for a in args if isinstance(a, str))]
    if terms and 'loss' in modes and isinstance(output, dict):
        return {**output, LOSS: torch.stack(terms).sum()}
    return output


def _blocks(model: nn.Module) -> list[InsertedSSPCAB]:
    return [m for m in model.modules() if isinstance(m, InsertedSSPCAB)]


_watching = False


def _watch_models() -> None:
    """See every model that such a backbone becomes part of from now on."""
    global _watching
    if not _watching:
        register_module_module_registration_hook(_on_registration)
        _watching = True


def _on_registration(parent: nn.Module, name: str, child: nn.Module) -> None:
    if isinstance(parent, BaseModel) and child is not None and _blocks(child):
        collect_losses(parent)


def _find(net: nn.Module, name: str) -> nn.Conv2d:
    """Return a convolution that SSPCAB can replace, or say why not."""
    kind, fitting = type(net).__name__, _fitting(net)
    advice = f'{kind} has none that SSPCAB can replace'
    if fitting:
        advice = f'SSPCAB can replace {", ".join(fitting[-8:])}'
        if len(fitting) > 8:
            advice += f' and {len(fitting) - 8} before them'
    try:
        layer = net.get_submodule(name) if name else None
    except AttributeError:
        layer = None
    if layer is None:
        raise ValueError(f'{kind} has no layer {name!r}; {advice}')
    if not isinstance(layer, nn.Conv2d):
        raise ValueError(
            f'{name!r} of {kind} is a {type(layer).__name__}, not a '
            f'convolution; {advice}'
        )
    if name not in fitting:
        raise ValueError(
            f'{name!r} of {kind} maps {layer.in_channels} channels to '
            f'{layer.out_channels} with stride {layer.stride}, kernel '
            f'{layer.kernel_size} and padding {layer.padding}; SSPCAB keeps '
            f'channels and size. {advice}'
        )
    if not layer.weight.requires_grad:
        raise ValueError(
            f'{name!r} of {kind} is frozen, so SSPCAB would not learn there; '
            'lower frozen_stages, or choose a later layer'
        )
    parts = name.split('.')
    for i in range(len(parts)):
        outer = net.get_submodule('.'.join(parts[:i]))
        if getattr(outer, 'with_cp', False):
            raise ValueError(
                f'{name!r} of {kind} is computed twice to save memory, which '
                'loses the loss of SSPCAB; set with_cp=False'
            )
    return layer


def _fitting(net: nn.Module) -> list[str]:
    """Names of the convolutions that keep channels and size."""
    return [
        name
        for name, layer in net.named_modules()
        if isinstance(layer, nn.Conv2d)
        and layer.in_channels == layer.out_channels
        and set(layer.stride) == {1}
        and _keeps_size(layer)
    ]


def _keeps_size(conv: nn.Conv2d) -> bool:
    if isinstance(conv.padding, str):
        return conv.padding == 'same'
    return all(
        2 * border == dilation * (side - 1)
        for border, dilation, side in zip(
            conv.padding, conv.dilation, conv.kernel_size, strict=True
        )
    )
