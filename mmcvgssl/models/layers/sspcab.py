"""SSPCAB: a block that predicts masked positions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmpretrain.models.utils import SELayer
from torch import Tensor, nn


class MaskedConv(nn.Module):
    """A convolution over the corners of its receptive field.

    Of a field of 2k' + 2d + 1 pixels a side, four squares of k' x k' pixels
    at the corners are seen. It is computed as the sum of an ordinary
    convolution for each corner, on the window of the padded input in which
    that corner lies.

    Args:
        channels: Channels of input and output.
        kernel_dim: Side k' of a corner, in pixels.
        dilation: Distance d from the corners to the middle.
    """

    def __init__(
        self, channels: int, kernel_dim: int = 1, dilation: int = 1
    ) -> None:
        super().__init__()
        self.border = kernel_dim + dilation
        self.shift = kernel_dim + 2 * dilation + 1
        # top left, top right, bottom left, bottom right
        self.corners = nn.ModuleList(
            nn.Conv2d(channels, channels, kernel_dim) for _ in range(4)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, C, H, W] to [N, C, H, W]."""
        s = self.shift
        x = F.pad(x, (self.border,) * 4)
        top, bottom = x[..., :-s, :], x[..., s:, :]
        a, b, c, d = self.corners
        left, right = a(top[..., :-s]), b(top[..., s:])
        return left + right + c(bottom[..., :-s]) + d(bottom[..., s:])


class SSPCAB(nn.Module):
    """Self-supervised predictive convolutional attentive block.

    Source: "Self-Supervised Predictive Convolutional Attentive Block for
    Anomaly Detection", https://arxiv.org/abs/2111.09099. The middle of each
    receptive field is predicted from its corners; squeeze and excitation
    weighs the channels. In training, each forward pass stores the mean squared
    error between output and input in ``reconstruction_loss``, a scalar; it is
    None otherwise.

    Args:
        channels: Channels of input and output.
        kernel_dim: Side k' of the corners that are seen, in pixels.
        dilation: Distance d from the corners to the middle.
        reduction_ratio: Channels over the squeezed ones.

    Raises:
        ValueError: If an option is out of range.

    Example:
        >>> block = SSPCAB(channels=16)
        >>> block(torch.rand(1, 16, 8, 8)).shape
        torch.Size([1, 16, 8, 8])
        >>> block.reconstruction_loss.shape
        torch.Size([])
    """

    reconstruction_loss: Tensor | None

    def __init__(
        self,
        channels: int,
        kernel_dim: int = 1,
        dilation: int = 1,
        reduction_ratio: int = 8,
    ) -> None:
        super().__init__()
        for name, value, least in (
            ('channels', channels, 1),
            ('kernel_dim', kernel_dim, 1),
            ('dilation', dilation, 0),
            ('reduction_ratio', reduction_ratio, 1),
        ):
            if value < least:
                raise ValueError(
                    f'{name} of SSPCAB is {least} or more, got {value}'
                )
        if reduction_ratio > channels:
            raise ValueError(
                f'reduction_ratio {reduction_ratio} leaves nothing of '
                f'{channels} channels; choose at most {channels}'
            )
        self.conv = MaskedConv(channels, kernel_dim, dilation)
        self.attention = SELayer(channels, channels // reduction_ratio)
        self.reconstruction_loss = None

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, C, H, W] to [N, C, H, W]."""
        out = self.attention(self.conv(x).relu())
        self.reconstruction_loss = None
        if self.training and torch.is_grad_enabled():
            self.reconstruction_loss = F.mse_loss(out, x)
        return out

    def __getstate__(self) -> dict:
        # a loss with its graph can be neither copied nor saved
        return {**self.__dict__, 'reconstruction_loss': None}
