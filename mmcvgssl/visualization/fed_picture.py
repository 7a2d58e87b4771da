"""What a network is fed with, as pictures."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def fed_picture(inputs: Tensor, channel_order: str = 'bgr') -> np.ndarray:
    """Return an image that transforms have packed as a picture.

    Values of floats, as after normalising, are stretched over all levels.

    Args:
        inputs: uint8 or float [C, H, W]; C is 1 or 3.
        channel_order: ``'bgr'``, as the hosts read files, or ``'rgb'``.

    Returns:
        RGB uint8 [H, W, 3].

    Raises:
        ValueError: If it is something else.

    Example:
        >>> fed_picture(torch.zeros(3, 4, 6, dtype=torch.uint8)).shape
        (4, 6, 3)
    """
    if inputs.ndim != 3 or inputs.shape[0] not in (1, 3):
        raise ValueError(
            'expected an image [1 or 3, H, W] as the input of a network, got '
            f'{list(inputs.shape)}'
        )
    values = inputs.detach().cpu()
    if values.dtype != torch.uint8:
        low, high = float(values.min()), float(values.max())
        scaled = (values.float() - low) / max(high - low, 1e-12)
        values = (255 * scaled).round().to(torch.uint8)
    picture = values.permute(1, 2, 0).numpy()
    if picture.shape[2] == 1:
        return np.repeat(picture, 3, axis=2)
    if channel_order == 'bgr':
        picture = picture[..., ::-1]
    return np.ascontiguousarray(picture)
