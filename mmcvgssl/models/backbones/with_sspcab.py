"""Backbones of the hosts with SSPCAB instead of convolutions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import nn

from mmcvgssl.models.layers.sspcab_loss import CollectedSSPCAB
from mmcvgssl.registry import MODELS


@MODELS.register_module()
class WithSSPCAB(nn.Module):
    """A backbone, some convolutions of which are replaced by SSPCAB.

    In a config: ``backbone=dict(type='mmcvgssl.WithSSPCAB', backbone=dict(
    type='mmpretrain.ResNet', depth=18), layers='layer4.1.conv2')``.

    It shares the attributes of the backbone: names of parts and keys of the
    state dict are those of the backbone, except within the blocks. In
    training, the model must add ``loss_sspcab`` to its losses. Models of this
    package do so; for models of the hosts use ``mmcvgssl.SSPCABLossHook``.

    Args:
        backbone: Any convolutional backbone of mmpretrain, mmdet, mmyolo or
            timm, or its config. A module is changed in place.
        layers: Names of the convolutions within the backbone. Input and
            output must have the same channels, height and width.
        loss_weight: Factor of the reconstruction losses, which are summed
            over layers and averaged over passes; 0 leaves them out.
        **kwargs: Options of :class:`SSPCAB`, besides ``channels``.

    Raises:
        ValueError: If a layer is missing or cannot be replaced; the message
            names those that can be. If an option is out of range.

    Example:
        >>> import torch
        >>> backbone = MODELS.build(
        ...     dict(
        ...         type='mmcvgssl.WithSSPCAB',
        ...         backbone=dict(type='mmpretrain.ResNet', depth=18),
        ...         layers='layer4.1.conv2',
        ...     )
        ... )
        >>> type(backbone.layer4[1].conv2).__name__
        'CollectedSSPCAB'
    """

    # beside the shared attributes, where it would be a part of itself
    __slots__ = ('host',)
    host: nn.Module

    def __init__(
        self,
        backbone: dict | nn.Module,
        layers: str | Sequence[str],
        loss_weight: float = 0.1,
        **kwargs,
    ) -> None:
        number = isinstance(loss_weight, (int, float))
        if not number or not 0 <= loss_weight < math.inf:
            raise ValueError(
                'loss_weight of WithSSPCAB is 0 or more, a number, got '
                f'{loss_weight!r}: 0.1 is usual'
            )
        names = _names(layers)
        net = backbone
        if isinstance(net, dict):
            net = MODELS.build(net)
        if not isinstance(net, nn.Module):
            raise ValueError(
                'backbone of WithSSPCAB is the config of one or a module, got '
                f'{backbone!r}: use dict(type=...)'
            )
        for name in names:
            conv = _find(net, name)
            block = CollectedSSPCAB(
                loss_weight=loss_weight, channels=conv.in_channels, **kwargs
            )
            net.set_submodule(name, block.to(conv.weight))
        self._share(net)

    def _share(self, host: nn.Module) -> None:
        object.__setattr__(self, 'host', host)
        object.__setattr__(self, '__dict__', vars(host))

    def __getattr__(self, name: str) -> Any:
        # attributes of the backbone's class, which are not shared
        if name == 'host':  # missing until a copy is complete
            raise AttributeError(name)
        return getattr(self.host, name)

    def __getstate__(self) -> dict[str, nn.Module]:
        return {'host': self.host}

    def __setstate__(self, state: dict[str, nn.Module]) -> None:
        self._share(state['host'])

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the backbone; its inputs and outputs are as ever."""
        return self.host.forward(*args, **kwargs)

    def train(self, mode: bool = True) -> WithSSPCAB:
        """Set the mode; what the backbone freezes stays frozen."""
        self.host.train(mode)
        return self

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        # some backbones convert weights of other versions here
        self.host._load_from_state_dict(*args, **kwargs)


def _names(layers: str | Sequence[str]) -> list[str]:
    if isinstance(layers, str):
        return [layers]
    known = isinstance(layers, Sequence)
    if not known or not layers or not all(isinstance(n, str) for n in layers):
        raise ValueError(
            '`layers` of WithSSPCAB names no convolution to replace: expected '
            f'a name or a list of names, got {layers!r}'
        )
    return list(layers)


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
