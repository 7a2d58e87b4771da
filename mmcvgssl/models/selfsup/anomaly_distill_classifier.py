"""Classification with distillation of anomaly maps."""

from __future__ import annotations

from typing import Any

from mmpretrain.models.classifiers import ImageClassifier
from torch import Tensor, nn

from mmcvgssl.models.heads import stack_maps
from mmcvgssl.models.layers import with_sspcab_loss
from mmcvgssl.registry import MODELS


@MODELS.register_module()
class AnomalyDistillClassifier(ImageClassifier):
    """mmpretrain's classifier whose feature levels learn anomaly maps.

    Source: AGBP of AGSSP, https://arxiv.org/abs/2509.18919, the supervised
    variant. All of the backbone's ``out_indices`` are distilled; early
    stages are frozen by the backbone's own ``frozen_stages``. The losses are
    ``loss_cls`` and ``loss_anomaly``.

    Args:
        backbone: Any backbone of the hosts that gives maps [B, C, H, W], or
            a module.
        neck: Neck of the classification.
        head: Head of the classification; None without labels, which leaves the
            distillation alone.
        distill_head: Head; by default :class:`AnomalyDistillHead`.
        task_weight: Factor of the classification's loss.
        pretrained: Checkpoint of the whole model.
        train_cfg: See ``ImageClassifier``; batch augmentations are refused, as
            they mix images without their maps.
        data_preprocessor: See ``ImageClassifier``.
        init_cfg: See mmengine's ``BaseModule``.

    Raises:
        ValueError: If options contradict each other.

    Example:
        >>> import torch
        >>> from mmpretrain.structures import DataSample
        >>> model = MODELS.build(
        ...     dict(
        ...         type='mmcvgssl.AnomalyDistillClassifier',
        ...         backbone=dict(
        ...             type='mmpretrain.ResNet', depth=18, out_indices=(2, 3)
        ...         ),
        ...     )
        ... )
        >>> sample = DataSample(anomaly_map=torch.rand(1, 64, 64))
        >>> list(model.loss(torch.rand(2, 3, 64, 64), [sample] * 2))
        ['loss_anomaly']
    """

    neck: Any
    head: Any
    distill_head: Any

    def __init__(
        self,
        backbone: dict | nn.Module,
        neck: dict | nn.Module | None = None,
        head: dict | nn.Module | None = None,
        distill_head: dict | nn.Module | None = None,
        task_weight: float = 0.1,
        pretrained: str | None = None,
        train_cfg: dict | None = None,
        data_preprocessor: dict | nn.Module | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        if not task_weight >= 0:
            raise ValueError(f'task_weight is 0 or more, got {task_weight}')
        if head is None and neck is not None:
            raise ValueError(
                'AnomalyDistillClassifier: a neck without a head is of no '
                'use; set both, or neither to distil alone'
            )
        super().__init__(
            backbone=build(backbone),
            neck=neck if neck is None else build(neck),
            head=head if head is None else build(head),
            pretrained=pretrained,
            train_cfg=train_cfg,
            data_preprocessor=data_preprocessor,
            init_cfg=init_cfg,
        )
        if getattr(self.data_preprocessor, 'batch_augments', None):
            raise ValueError(
                'batch augmentations mix images without their anomaly maps; '
                'leave them out of train_cfg and data_preprocessor'
            )
        self.distill_head = build(
            distill_head or dict(type='mmcvgssl.AnomalyDistillHead')
        )
        self.task_weight = task_weight
        freeze(self.backbone)

    @with_sspcab_loss
    def loss(self, inputs: Tensor, data_samples: list) -> dict[str, Tensor]:
        """Compute ``loss_anomaly`` and, with a head, ``loss_cls``.

        Args:
            inputs: [B, 3, H, W], normalised.
            data_samples: Data samples with ``anomaly_map`` [1, H, W] and, if
                there is a head, ``gt_label``.

        Raises:
            ValueError: If a map or label is missing, or a map has another
                size than its image.
        """
        maps = stack_maps(data_samples, inputs)
        feats = self.extract_feat(inputs, stage='backbone')
        losses = {}
        if self.head is not None:
            unlabelled = sum('gt_label' not in s for s in data_samples)
            if unlabelled:
                raise ValueError(
                    f'{unlabelled} of {len(data_samples)} images have no '
                    'gt_label; set with_label=True of the data set, or '
                    'neck=None and head=None of the model to distil alone'
                )
            pooled = self.neck(feats) if self.with_neck else feats
            for key, value in self.head.loss(pooled, data_samples).items():
                # `loss` alone is the name of the sum in the log
                name = 'loss_cls' if key == 'loss' else key
                if 'loss' in key:
                    value = self.task_weight * value
                losses[name] = value
        losses.update(self.distill_head.loss(feats, maps))
        return losses


def build(module: dict | nn.Module) -> nn.Module:
    """Build a module from a config, or take it as it is."""
    return MODELS.build(module) if isinstance(module, dict) else module


def freeze(backbone: nn.Module) -> None:
    """Freeze early stages now, as DDP looks at gradients before training.

    Some backbones do so only when their mode is set.
    """
    backbone.train(backbone.training)
