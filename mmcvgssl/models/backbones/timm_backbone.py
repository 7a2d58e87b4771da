"""Backbones of timm with weights of an installed package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import timm
from mmpretrain.models.backbones import TIMMBackbone
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmcvgssl.registry import MODELS
from mmcvgssl.weights import (
    Policy,
    compare,
    load,
    plain_state,
    read_checkpoint,
)
from mmcvgssl.weights.packages import FALLBACK, load_package

PACKAGE = 'package:'
T = TypeVar('T')


@MODELS.register_module()
class TimmBackbone(TIMMBackbone):
    """mmpretrain's ``TIMMBackbone`` with weights that need no hub.

    Args:
        model_name: Name that ``timm.create_model`` knows.
        weights: ``'package:<name>'`` as of :class:`TimmTeacher`, or a file
            with timm's names; loaded by ``init_weights``. None: random.
        norm_eval: Freeze the statistics of batch norms while training.
        frozen_stages: Last level, of those that ``out_indices`` counts, that
            is not trained, nor what comes before it; -1: all are trained.
        levels: Indices into the model's ``feature_info``, as of
            :class:`TimmTeacher`: maps that precede the last output, which is
            that of the whole network and not of ``features_only``.
        **kwargs: Options of ``TIMMBackbone``.

    Raises:
        ValueError: If the package is not a known one, there is no such
            level, or ``levels`` and ``features_only`` are both given.
        FileNotFoundError: If the file is missing.
        mmcvgssl.weights.KeyMismatchError: If weights do not fit.

    Example:
        >>> import torch
        >>> backbone = MODELS.build(
        ...     dict(
        ...         type='mmcvgssl.TimmBackbone',
        ...         model_name='resnet18',
        ...         features_only=True,
        ...         out_indices=(3, 4),
        ...     )
        ... )
        >>> [level.shape for level in backbone(torch.rand(1, 3, 64, 64))]
        [torch.Size([1, 256, 4, 4]), torch.Size([1, 512, 2, 2])]
    """

    def __init__(
        self,
        model_name: str,
        weights: str | None = None,
        norm_eval: bool = False,
        frozen_stages: int = -1,
        levels: Sequence[int] = (),
        **kwargs,
    ) -> None:
        super().__init__(model_name, **kwargs)
        inner = hasattr(self.timm_model, 'forward_intermediates')
        if levels and (kwargs.get('features_only') or not inner):
            raise ValueError(
                f'`levels` of {model_name} are given beside its last output: '
                'expected a model of timm with inner levels and without '
                'features_only, got another; use out_indices with '
                'features_only=True'
            )
        self.levels = list(levels)
        self.model_name, self.weights = model_name, weights
        self.norm_eval, self.frozen_stages = norm_eval, frozen_stages
        self._frozen = self._freeze(frozen_stages)

    def init_weights(self) -> None:
        """Load the weights, if any are named."""
        super().init_weights()
        if self.weights is None:
            return
        state = self._state(self.weights)
        report = compare(self.timm_model, state)
        parents = {key.rpartition('.')[0] for key in report.unexpected}
        known = {name for name, _ in self.timm_model.named_modules()}
        # a convolution that another block replaced keeps random weights
        replaced = {
            f'{name}.'
            for name in parents & known
            if not any(key.startswith(f'{name}.') for key in report.matched)
        }
        left = {
            key
            for key in report.unexpected
            if key.rpartition('.')[0] in known | HEAD
        }
        load(
            self.timm_model,
            state,
            Policy((*replaced,), (*left,)),
            f"{self.weights} (for timm's {self.model_name})",
        )

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the levels and the last output of images [N, 3, H, W]."""
        if not self.levels:
            return super().forward(images)
        features, maps = self.timm_model.forward_intermediates(
            images, indices=self.levels, output_fmt='NCHW'
        )
        return (*maps, self.timm_model.forward_head(features))

    def train(self, mode: bool = True) -> TimmBackbone:
        """Set the mode; what is frozen stays in evaluation."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        if self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def _freeze(self, level: int) -> list[nn.Module]:
        """Freeze what ends with a level of features; return its layers."""
        if level < 0:
            return []
        info = self.timm_model.feature_info
        info = getattr(info, 'info', info)
        if level >= len(info):
            raise ValueError(
                f'frozen_stages of {self.model_name} is from -1 to '
                f'{len(info) - 1}, got {level}'
            )
        modules = dict(self.timm_model.named_modules())
        end = info[level]['module']
        # timm flattens some networks and wraps others
        names = end, end.replace('.', '_'), f'model.{end}'
        end = next(name for name in names if name in modules)
        weights = _up_to(dict(self.timm_model.named_parameters()), end)
        for weight in weights:
            weight.requires_grad_(False)
        layers = _up_to(modules, end)
        return [part for part in layers if {*part.modules()} <= {*layers}]

    def _state(self, weights: str) -> dict[str, Tensor]:
        if not weights.startswith(PACKAGE):
            return plain_state(read_checkpoint(weights, 'weights', FALLBACK))
        # the package lists tensors in the order of a whole classifier's
        whole = timm.create_model(self.model_name)
        load_package(whole, weights.removeprefix(PACKAGE))
        return whole.state_dict()


# of the classifier, which a backbone is without, and what goes before it in an
# EfficientNet
HEAD = {'classifier', 'fc', 'head', 'head.fc', 'conv_head', 'bn2'}


def _up_to(named: Mapping[str, T], end: str) -> list[T]:
    """Return what stands in order up to the end of a module."""
    names = list(named)
    last = max(
        i for i, name in enumerate(names) if f'{name}.'.startswith(f'{end}.')
    )
    return [named[name] for name in names[: last + 1]]
