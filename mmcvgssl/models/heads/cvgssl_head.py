"""Predictor, teacher projectors and loss of CVGSSL."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmcvgssl.models.layers import gather_rows
from mmcvgssl.models.losses import cvgssl_loss
from mmcvgssl.registry import MODELS


@MODELS.register_module()
class CVGSSLHead(BaseModule):
    """Head of "CLIP-Vision Guided Few-Shot Metal Surface Defect Recognition".

    Args:
        channels: Width D of projections and predictions.
        hid_channels: Hidden width of the predictor.
        adapter_channels: Hidden width of the teacher projectors.
        adapter_layers: Linear layers of a teacher projector.
        last_bn: Whether the predictor ends in a batch norm (for ViTs).
        temperature: Soft-max temperature of the contrastive terms.
        distill_weight: Factor of ``loss_distill``.
        contrast_weight: Factor of ``loss_contrast``.
        self_weight: Factor of ``loss_self``.
        teacher_widths: Feature width of each teacher; the model fills it in.
        norm_cfg: Norm of predictor and projectors.
        gather: Whether the terms compare the images of all processes, as one
            process with the whole batch would; else each its own alone.

    Example:
        >>> head = MODELS.build(
        ...     dict(
        ...         type='mmcvgssl.CVGSSLHead',
        ...         channels=32,
        ...         teacher_widths=[64],
        ...     )
        ... )
        >>> z, features = torch.rand(4, 32), [torch.rand(4, 64)]
        >>> predictions, projected = head(z, features)
        >>> predictions.shape, projected[0].shape
        (torch.Size([4, 32]), torch.Size([4, 32]))
    """

    def __init__(
        self,
        channels: int = 256,
        hid_channels: int = 512,
        adapter_channels: int = 1024,
        adapter_layers: int = 3,
        last_bn: bool = False,
        temperature: float = 1.0,
        distill_weight: float = 1.0,
        contrast_weight: float = 1.0,
        self_weight: float = 0.01,
        teacher_widths: Sequence[int] = (),
        norm_cfg: dict | None = None,
        gather: bool = True,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if not teacher_widths:
            raise ValueError('CVGSSLHead needs teacher_widths')
        if temperature <= 0:
            raise ValueError(f'temperature must be above 0, got {temperature}')
        self.temperature = temperature
        self.weights = {
            'loss_distill': distill_weight,
            'loss_contrast': contrast_weight,
        }
        self.self_weight = self_weight
        self.gather = gather

        def mlp(
            width: int, hidden: int, layers: int, last_bn: bool
        ) -> nn.Module:
            return MODELS.build(
                dict(
                    type='mmpretrain.NonLinearNeck',
                    in_channels=width,
                    hid_channels=hidden,
                    out_channels=channels,
                    num_layers=layers,
                    with_last_bn=last_bn,
                    with_avg_pool=False,
                    norm_cfg=norm_cfg or dict(type='BN1d'),
                )
            )

        self.predictor = mlp(channels, hid_channels, 2, last_bn)
        self.adapters = nn.ModuleList(
            mlp(width, adapter_channels, adapter_layers, False)
            for width in teacher_widths
        )

    def forward(
        self, z: Tensor, teacher_features: Sequence[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Predict from projections and project the teachers' features.

        Args:
            z: [N, D] projections.
            teacher_features: One [N, width] per teacher.

        Returns:
            Predictions [N, D] and one [N, D] per teacher.
        """
        projected = [
            adapter((features,))[0]
            for adapter, features in zip(
                self.adapters, teacher_features, strict=True
            )
        ]
        return self.predictor((z,))[0], projected

    def loss(
        self,
        z0: Tensor,
        predictions: Sequence[Tensor],
        projections: Sequence[Sequence[Tensor]],
    ) -> dict[str, Tensor]:
        """Average the terms over the teachers.

        Args:
            z0: [N, D] projection of the weak view.
            predictions: V predictions [N, D].
            projections: For each teacher, V projected features [N, D].
        """
        rows = [z0, *predictions, *(t for views in projections for t in views)]
        rows = [row.float() for row in rows]
        if self.gather:  # all at once, [N, rows, D]
            rows = list(gather_rows(torch.stack(rows, 1)).unbind(1))
        n = len(predictions)
        terms = [
            cvgssl_loss(
                rows[0],
                rows[1 : 1 + n],
                rows[1 + n * (k + 1) : 1 + n * (k + 2)],
                self.temperature,
                self.self_weight,
            )
            for k in range(len(projections))
        ]
        return {
            key: self.weights.get(key, 1.0)
            * torch.stack([term[key] for term in terms]).mean()
            for key in terms[0]
        }
