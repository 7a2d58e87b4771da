"""Classification of good images and those with a pasted piece."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from mmpretrain.models.selfsup import BaseSelfSupervisor
from torch import Tensor, nn

from mmcvgssl.models.layers import global_pool, with_sspcab_loss
from mmcvgssl.registry import MODELS


@MODELS.register_module()
class CutPasteClassifier(BaseSelfSupervisor):
    """CutPaste: a backbone learns to classify images with a pasted piece.

    Source: "CutPaste: Self-Supervised Learning for Anomaly Detection and
    Localization", https://arxiv.org/abs/2104.04015. The views and their
    classes come from ``mmcvgssl.CutPaste`` and its like; all views of a batch
    pass at once. Afterwards the backbone alone counts.

    Args:
        backbone: Any backbone of mmpretrain, mmdet, mmyolo or timm; its last
            output is pooled.
        in_channels: Channels of that output.
        num_classes: 3 for ``CutPaste3Way``, otherwise 2.
        mid_channels: Widths of the projection head's linear layers, each
            with batch norm and ReLU: ``[512] * n + [128]``.
        norm_cfg: Norm of these layers.

    Raises:
        ValueError: If there are too few classes, or no layer in the head.

    Example:
        >>> from mmpretrain.structures import DataSample
        >>> model = MODELS.build(
        ...     dict(
        ...         type='mmcvgssl.CutPasteClassifier',
        ...         backbone=dict(type='mmpretrain.ResNet', depth=18),
        ...         in_channels=512,
        ...     )
        ... )
        >>> views = [torch.rand(2, 3, 32, 32) for _ in range(3)]
        >>> sample = DataSample(view_labels=np.arange(3))
        >>> list(model.loss(views, [sample] * 2))
        ['loss_cutpaste', 'accuracy']
    """

    def __init__(
        self,
        backbone: dict | nn.Module,
        in_channels: int,
        num_classes: int = 3,
        mid_channels: Sequence[int] = (512, 128),
        norm_cfg: dict | None = None,
        data_preprocessor: dict | nn.Module | None = None,
        pretrained: str | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        if num_classes < 2:
            raise ValueError(
                'num_classes is 2 (normal, pasted) or 3 (normal, rectangle, '
                f'scar), got {num_classes}'
            )
        if not mid_channels:
            raise ValueError('mid_channels names no layer of the head')
        if isinstance(backbone, dict):
            backbone = MODELS.build(backbone)
        super().__init__(
            backbone=backbone,
            head=dict(
                type='mmpretrain.StackedLinearClsHead',
                num_classes=num_classes,
                in_channels=in_channels,
                mid_channels=tuple(mid_channels),
                norm_cfg=norm_cfg or dict(type='BN1d'),
                act_cfg=dict(type='ReLU'),
            ),
            data_preprocessor=data_preprocessor,
            pretrained=pretrained,
            init_cfg=init_cfg,
        )
        self.num_classes = num_classes

    @with_sspcab_loss
    def loss(
        self, inputs: Sequence[Tensor] | Tensor, data_samples: list, **kwargs
    ) -> dict[str, Tensor]:
        """Compute ``loss_cutpaste`` and ``accuracy`` in percent.

        Args:
            inputs: V normalised views [N, 3, H, W].
            data_samples: One per image, with ``view_labels`` [V].

        Raises:
            ValueError: If labels are missing, or are of other classes than
                the model's.
        """
        views = [inputs] if torch.is_tensor(inputs) else list(inputs)
        labels = self._labels(data_samples, len(views))
        labels = labels.to(views[0].device, non_blocking=True)
        pooled = self.extract_embedding(torch.cat(views))
        logits = self.head((pooled,)).float()
        hits = logits.argmax(dim=1) == labels
        return {
            'loss_cutpaste': F.cross_entropy(logits, labels),
            'accuracy': 100 * hits.float().mean(),
        }

    def extract_embedding(self, inputs: Tensor) -> Tensor:
        """Return the backbone's pooled output [N, C].

        Args:
            inputs: Normalised images [N, 3, H, W].
        """
        return global_pool(self.extract_feat(inputs))

    def _labels(self, data_samples: list, count: int) -> Tensor:
        """Return the class of each image, view by view, [V * N]."""
        try:
            rows = np.stack([sample.view_labels for sample in data_samples])
        except AttributeError as error:
            raise ValueError(
                'the data samples lack view_labels: have '
                "PackInputs(algorithm_keys=('view_labels',)) follow a "
                'transform such as mmcvgssl.CutPaste3Way'
            ) from error
        classes = {int(label) for label in np.unique(rows)}
        if classes != set(range(self.num_classes)) or rows.shape[1] != count:
            raise ValueError(
                f'num_classes={self.num_classes} of CutPasteClassifier, but '
                f'{count} views have the classes {sorted(classes)}: '
                'mmcvgssl.CutPaste3Way makes 3, the others make 2'
            )
        return torch.from_numpy(rows.T.reshape(-1).astype(np.int64))
