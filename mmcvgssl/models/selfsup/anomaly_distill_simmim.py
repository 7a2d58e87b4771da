"""Masked image modelling with distillation of anomaly maps."""

from __future__ import annotations

from typing import Any

from mmpretrain.models.selfsup import SimMIM
from torch import Tensor, nn

from mmcvgssl.models.heads import stack_maps
from mmcvgssl.models.layers import with_sspcab_loss
from mmcvgssl.models.selfsup.anomaly_distill_classifier import build, freeze
from mmcvgssl.registry import MODELS


@MODELS.register_module()
class AnomalyDistillSimMIM(SimMIM):
    """mmpretrain's SimMIM whose feature levels learn anomaly maps.

    Source: AGBP of AGSSP, https://arxiv.org/abs/2509.18919, the unsupervised
    variant. Maps are distilled into the features of the whole image, in a
    second, unmasked pass, at all of the backbone's ``out_indices``; pixels
    are reconstructed from the last of them. Early stages are frozen by the
    backbone's own ``frozen_stages``. The losses are ``loss_reconstruction``
    and ``loss_anomaly``.

    Args:
        backbone: ``mmpretrain.SimMIMSwinTransformer``, or a module.
        neck: The decoder.
        head: The reconstruction's loss.
        distill_head: Head; by default :class:`AnomalyDistillHead` of weight 2.
        **kwargs: Options of ``SimMIM``.

    Example:
        >>> import torch
        >>> from mmpretrain.structures import DataSample
        >>> from mmcvgssl.registry import MODELS
        >>> model = MODELS.build(
        ...     dict(
        ...         type='mmcvgssl.AnomalyDistillSimMIM',
        ...         backbone=dict(
        ...             type='mmpretrain.SimMIMSwinTransformer',
        ...             arch='tiny',
        ...             img_size=32,
        ...             pad_small_map=True,
        ...             out_indices=(2, 3),
        ...         ),
        ...         neck=dict(
        ...             type='mmpretrain.SimMIMLinearDecoder',
        ...             in_channels=768,
        ...             encoder_stride=32,
        ...         ),
        ...         head=dict(
        ...             type='mmpretrain.SimMIMHead',
        ...             patch_size=4,
        ...             loss=dict(
        ...                 type='mmpretrain.PixelReconstructionLoss',
        ...                 criterion='L1',
        ...                 channel=3,
        ...             ),
        ...         ),
        ...     )
        ... )
        >>> sample = DataSample(
        ...     anomaly_map=torch.rand(1, 32, 32), mask=torch.ones(8, 8)
        ... )
        >>> list(model.loss(torch.rand(1, 3, 32, 32), [sample]))
        ['loss_reconstruction', 'loss_anomaly']
    """

    distill_head: Any

    def __init__(
        self,
        backbone: dict | nn.Module,
        neck: dict | nn.Module,
        head: dict | nn.Module,
        distill_head: dict | nn.Module | None = None,
        **kwargs,
    ) -> None:
        super().__init__(
            backbone=build(backbone),
            neck=build(neck),
            head=build(head),
            **kwargs,
        )
        self.distill_head = build(
            distill_head or dict(type='mmcvgssl.AnomalyDistillHead', weight=2)
        )
        freeze(self.backbone)

    @with_sspcab_loss
    def loss(
        self, inputs: Tensor, data_samples: list, **kwargs
    ) -> dict[str, Tensor]:
        """Compute ``loss_reconstruction`` and ``loss_anomaly``.

        Args:
            inputs: [B, 3, H, W], normalised.
            data_samples: Data samples with ``mask`` [H / patch, W / patch], 1
                where the image is hidden, and ``anomaly_map`` [1, H, W].

        Raises:
            ValueError: If a map is missing or has another size than its
                image.
        """
        maps = stack_maps(data_samples, inputs)
        levels = self.backbone.out_indices
        # the masked pass needs only the last level of the backbone
        self.backbone.out_indices = (max(levels),)
        try:
            masked = super().loss(inputs, data_samples, **kwargs)
        finally:
            self.backbone.out_indices = levels
        feats = self.extract_feat(inputs)
        return {
            # `loss` alone is the name of the sum in the log
            'loss_reconstruction': masked['loss'],
            **self.distill_head.loss(feats, maps),
        }
