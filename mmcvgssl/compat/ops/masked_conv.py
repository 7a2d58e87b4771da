"""Gathering and scattering at chosen pixels, for mmcv's ``MaskedConv2d``."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ._common import check_shape, compiled_like


@compiled_like
def masked_im2col_forward(
    im: Tensor,
    mask_h_idx: Tensor,
    mask_w_idx: Tensor,
    col: Tensor,
    kernel_h: int,
    kernel_w: int,
    pad_h: int,
    pad_w: int,
) -> None:
    """Fill ``col`` (C * kernel_h * kernel_w, P) from ``im`` (1, C, H, W).

    Column p holds the zero-padded window whose first pixel is chosen pixel
    p, shifted by the padding.

    Raises:
        ValueError: If ``im`` is not (1, C, H, W).
    """
    check_shape('masked_im2col_forward', 'im', im, '1,C,H,W')
    pads = (pad_w, kernel_w, pad_h, kernel_h)
    windows = F.pad(im[0], pads).unfold(1, kernel_h, 1).unfold(2, kernel_w, 1)
    # (C, P, kernel_h, kernel_w) to (C, kernel_h, kernel_w, P)
    taken = windows[:, mask_h_idx, mask_w_idx].permute(0, 2, 3, 1)
    col.copy_(taken.reshape(col.shape))


@compiled_like
def masked_col2im_forward(
    col: Tensor,
    mask_h_idx: Tensor,
    mask_w_idx: Tensor,
    im: Tensor,
    height: int,
    width: int,
    channels: int,
) -> None:
    """Write ``col`` (C, P) to the chosen pixels of ``im`` (1, C, H, W).

    Raises:
        ValueError: If ``im`` is not (1, C, H, W).
    """
    want = f'1,{channels},{height},{width}'
    check_shape('masked_col2im_forward', 'im', im, want)
    im[0, :, mask_h_idx, mask_w_idx] = col.to(im)
