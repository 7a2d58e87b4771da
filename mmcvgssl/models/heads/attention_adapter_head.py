"""Distillation of anomaly maps through an attention adapter."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from mmcvgssl.models.heads.anomaly_distill_head import AnomalyDistillHead
from mmcvgssl.registry import MODELS


class AttentionAdapter(nn.Module):
    """Self-attention over all positions, then one number at each.

    Args:
        channels: Width C of the level.
        hid_channels: Hidden width of the MLP.
    """

    def __init__(self, channels: int, hid_channels: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(channels, 1, batch_first=True)
        self.norm = nn.LayerNorm(channels)
        self.mlp = nn.Sequential(
            nn.Linear(channels, hid_channels),
            nn.GELU(),
            nn.Linear(hid_channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to [B, 1, H, W]."""
        tokens = x.flatten(2).transpose(1, 2)  # [B, H W, C]
        attended, _ = self.attention(
            tokens, tokens, tokens, need_weights=False
        )
        values = self.mlp(self.norm(tokens + attended))
        return values.transpose(1, 2).unflatten(2, x.shape[-2:])


@MODELS.register_module()
class AttentionAdapterHead(AnomalyDistillHead):
    """Distils anomaly maps into a learned activation.

    Source: AGSSP, https://arxiv.org/abs/2509.18919.

    Args:
        in_channels: Width of each feature level, in order.
        hid_channels: Hidden width of the MLPs.
        weight: Factor of ``loss_anomaly``.
        init_cfg: See mmengine's ``BaseModule``.

    Raises:
        ValueError: If there is no level, or the weight is negative.

    Example:
        >>> import torch
        >>> head = MODELS.build(
        ...     dict(
        ...         type='mmcvgssl.AttentionAdapterHead',
        ...         in_channels=[8, 16],
        ...         hid_channels=32,
        ...     )
        ... )
        >>> levels = [torch.rand(2, 8, 16, 16), torch.rand(2, 16, 8, 8)]
        >>> [activation.shape for activation in head(levels)]
        [torch.Size([2, 1, 16, 16]), torch.Size([2, 1, 8, 8])]
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        hid_channels: int = 512,
        weight: float = 1.0,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(weight, init_cfg)
        if not in_channels:
            raise ValueError(
                'AttentionAdapterHead needs in_channels, the width of each '
                'feature level'
            )
        self.in_channels = list(in_channels)
        self.adapters = nn.ModuleList(
            AttentionAdapter(width, hid_channels) for width in in_channels
        )

    def forward(self, feats: Sequence[Tensor]) -> list[Tensor]:
        """Reduce levels [B, C, H, W] to activations [B, 1, H, W].

        Raises:
            ValueError: If number or widths of the levels differ.
        """
        shapes = [tuple(level.shape) for level in feats]
        found = [s[1] if len(s) == 4 else None for s in shapes]
        if found != self.in_channels:
            raise ValueError(
                f'expected levels [B, C, H, W] of {self.in_channels} '
                f'channels, got the shapes {shapes}; set in_channels of '
                'AttentionAdapterHead'
            )
        return [
            adapter(level)
            for adapter, level in zip(self.adapters, feats, strict=True)
        ]
