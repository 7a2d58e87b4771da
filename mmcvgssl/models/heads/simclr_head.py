"""SimCLR's loss in several processes."""

from __future__ import annotations

from mmpretrain.models.heads import ContrastiveHead
from torch import Tensor

from mmcvgssl.models.layers import whole_gradient
from mmcvgssl.registry import MODELS


@MODELS.register_module()
class SimCLRHead(ContrastiveHead):
    """mmpretrain's ``ContrastiveHead`` with whole gradients.

    Source: "A Simple Framework for Contrastive Learning of Visual
    Representations", https://arxiv.org/abs/2002.05709. mmpretrain's
    ``SimCLR`` gathers the rows of all processes, but hands gradients to a
    process's own rows alone; averaged by DDP, they would be too small by the
    number of processes.

    Example:
        >>> import torch
        >>> head = MODELS.build(
        ...     dict(
        ...         type='mmcvgssl.SimCLRHead',
        ...         loss=dict(type='mmpretrain.CrossEntropyLoss'),
        ...         temperature=0.1,
        ...     )
        ... )
        >>> head.loss(torch.ones(4, 1), torch.zeros(4, 6)).round(decimals=4)
        tensor(0.0003)
    """

    def loss(self, pos: Tensor, neg: Tensor) -> Tensor:
        """Compare positives [N, 1] with negatives [N, K]."""
        return whole_gradient(super().loss(pos, neg))
