"""Any backbone of the hosts as a teacher."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmcvgssl.models.layers import global_pool
from mmcvgssl.models.teachers.frozen_teacher import FrozenTeacher
from mmcvgssl.registry import MODELS
from mmcvgssl.weights import load


@MODELS.register_module()
class HostTeacher(FrozenTeacher):
    """A frozen mmpretrain (or mmdet, mmyolo) backbone with a checkpoint.

    Args:
        backbone: Config of the backbone, or a ready one.
        checkpoint: A checkpoint of this package or of a host, or plain
            weights of the backbone; every key of the backbone must be there.
        mean: Mean of RGB channels in [0, 255], as in a data preprocessor.
        std: Standard deviation of RGB channels in [0, 255].
        input_size: Pixels.
        levels: Indices into what the backbone returns (its ``out_indices``).
        allow_random: Permit a backbone without weights, for tests.
        poolings: As of :class:`FrozenTeacher`.
        pyramid: The same.

    Raises:
        ValueError: If there is no checkpoint and ``allow_random`` is not set.
        FileNotFoundError: If the checkpoint file is missing.
        mmcvgssl.weights.KeyMismatchError: If keys are missing.

    Example:
        >>> teacher = MODELS.build(
        ...     dict(
        ...         type='mmcvgssl.HostTeacher',
        ...         backbone=dict(type='mmpretrain.ResNet', depth=18),
        ...         input_size=32,
        ...         allow_random=True,  # else checkpoint='backbone.pth'
        ...     )
        ... )
        >>> teacher(torch.rand(2, 3, 48, 48)).shape  # RGB in [0, 1]
        torch.Size([2, 512])
    """

    def __init__(
        self,
        backbone: dict | nn.Module,
        checkpoint: str | None = None,
        mean: Sequence[float] = (127.5, 127.5, 127.5),
        std: Sequence[float] = (127.5, 127.5, 127.5),
        input_size: int | Sequence[int] = 224,
        levels: Sequence[int] = (),
        interpolation: str = 'bilinear',
        allow_random: bool = False,
        poolings: Sequence[str] = ('mean',),
        pyramid: Sequence[int] = (),
    ) -> None:
        injected = isinstance(backbone, nn.Module)
        tower = (
            backbone
            if isinstance(backbone, nn.Module)
            else MODELS.build(backbone)
        )
        if checkpoint is not None:
            load(tower, checkpoint)
        elif not injected and not allow_random:
            raise ValueError(
                'HostTeacher has no weights: set `checkpoint` to a file; '
                '`allow_random=True` is for tests only'
            )
        super().__init__(
            tower,
            mean=[m / 255 for m in mean],
            std=[s / 255 for s in std],
            input_size=input_size,
            levels=levels,
            interpolation=interpolation,
            poolings=poolings,
            pyramid=pyramid,
        )

    def _run(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        out = self.network(images)
        outputs = (out,) if torch.is_tensor(out) else tuple(out)
        return [outputs[i] for i in self.levels], global_pool(outputs)
