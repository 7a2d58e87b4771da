"""Regression of a teacher's features from the student's."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn

from mmcvgssl.models.losses import feature_regression_loss
from mmcvgssl.registry import MODELS


@MODELS.register_module()
class FeatureRegressionHead(BaseModule):
    """One linear layer from the student's features to each teacher level.

    Args:
        in_channels: Width of the student's pooled features.
        standardize: Whether the teacher's features are standardised channel
            by channel with the running statistics of the training images, so
            that every channel counts alike.
        weight: Factor of ``loss_regression``.
        level_widths: Width of each teacher level; the model fills it in.

    Example:
        >>> import torch
        >>> head = MODELS.build(
        ...     dict(
        ...         type='mmcvgssl.FeatureRegressionHead',
        ...         in_channels=16,
        ...         level_widths=[32],
        ...     )
        ... )
        >>> losses = head.loss(torch.rand(4, 16), [torch.rand(4, 32)])
        >>> losses['loss_regression'].shape
        torch.Size([])
    """

    def __init__(
        self,
        in_channels: int,
        standardize: bool = True,
        weight: float = 1.0,
        level_widths: Sequence[int] = (),
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if not level_widths:
            raise ValueError('FeatureRegressionHead needs teacher levels')
        self.in_channels = in_channels
        self.level_widths = list(level_widths)
        self.weight = weight
        self.linear = nn.Linear(in_channels, sum(level_widths))
        self.norms = nn.ModuleList(
            nn.BatchNorm1d(width, affine=False)
            if standardize
            else nn.Identity()
            for width in level_widths
        )

    def loss(
        self, features: Tensor, targets: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        """Cosine regression.

        Args:
            features: [N, in_channels] pooled student features.
            targets: One [N, width] per teacher level.
        """
        predicted = self.linear(features).float().split(self.level_widths, 1)
        targets = [n(t) for n, t in zip(self.norms, targets, strict=True)]
        loss = feature_regression_loss(predicted, targets)
        return {'loss_regression': self.weight * loss}
