"""Features of several levels of a network, standardised for one collection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmcvgssl.models.classifiers.embedder import Embedder
from mmcvgssl.models.teachers import FrozenTeacher


class Standardized(nn.Module):
    """The levels of a frozen network, standardised feature by feature.

    Mean and standard deviation are those of the images at hand, which need no
    labels: what all of them share, which is most of what a network of
    everyday pictures says of surfaces, no longer counts. Each level then has
    length 1, so that a wide one does not outweigh the others. Source:
    "Z-Score Normalization, Hubness, and Few-Shot Learning", ICCV 2021, for
    one level.

    Args:
        encoder: A frozen teacher, with the levels that it was built with, or
            a backbone with its normalisation.

    Attributes:
        widths: Widths of the levels.

    Example:
        >>> import torch
        >>> net = nn.Conv2d(3, 16, 3)
        >>> embedder = Embedder(net, mean=[127.5] * 3, std=[127.5] * 3)
        >>> network = Standardized(embedder)
        >>> images = torch.rand(4, 3, 32, 32)
        >>> network.fit(network.join(images))
        >>> features = network(images).detach()
        >>> features.shape, features.norm(dim=1).round(decimals=3)
        (torch.Size([4, 16]), tensor([1., 1., 1., 1.]))
    """

    mean: Tensor
    std: Tensor

    def __init__(self, encoder: FrozenTeacher | Embedder) -> None:
        super().__init__()
        self.encoder = encoder
        self.widths = _widths(encoder)
        self.register_buffer('mean', torch.zeros(sum(self.widths)))
        self.register_buffer('std', torch.ones(sum(self.widths)))

    def join(self, images: Tensor) -> Tensor:
        """Return the levels as they are, joined to [N, D].

        Args:
            images: RGB [N, 3, H, W] in [0, 1].
        """
        return torch.cat(list(self.encoder.encode(images)), dim=1).float()

    def fit(self, rows: Tensor) -> None:
        """Learn mean and standard deviation of some images.

        Args:
            rows: What :meth:`join` gives of them, [n, D].

        Raises:
            ValueError: If there are fewer than two, or of another width.
        """
        if rows.ndim != 2 or len(rows) < 2 or rows.shape[1] != len(self.mean):
            raise ValueError(
                'standardising needs the features of two images or more, '
                f'[n, {len(self.mean)}], got {[*rows.shape]}'
            )
        std, mean = torch.std_mean(rows.double(), 0, correction=0)
        self.mean.copy_(mean)
        # a feature that is constant says nothing, and stays 0
        self.std.copy_(torch.where(std > 0, std, torch.ones_like(std)))

    def scale(self, rows: Tensor) -> Tensor:
        """Standardise what :meth:`join` gives; return [N, D] of length 1."""
        rows = (rows - self.mean) / self.std
        levels = [F.normalize(p, dim=1) for p in rows.split(self.widths, 1)]
        return torch.cat(levels, dim=1) / len(levels) ** 0.5

    def fit_and_scale(
        self, train: np.ndarray, test: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Standardise two sets by the images of the first.

        Args:
            train: What :meth:`join` gives of the images to learn from, [n, D].
            test: The same of others, [m, D].
        """
        rows = [
            torch.from_numpy(x).to(self.mean.device) for x in (train, test)
        ]
        self.fit(rows[0])
        first, second = (self.scale(part).cpu().numpy() for part in rows)
        return first, second

    def forward(self, images: Tensor) -> Tensor:
        """Map RGB images [N, 3, H, W] in [0, 1] to [N, D]."""
        return self.scale(self.join(images))


@torch.no_grad()
def _widths(encoder: Any) -> Sequence[int]:
    if isinstance(encoder, FrozenTeacher):
        return list(encoder.level_widths)
    mode = encoder.training
    encoder.eval()
    device = encoder.mean.device
    levels = encoder.encode(torch.zeros(1, 3, 64, 64, device=device))
    encoder.train(mode)
    return [level.shape[1] for level in levels]
