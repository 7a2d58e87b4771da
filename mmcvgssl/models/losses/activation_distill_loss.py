"""Distillation of an anomaly map into a backbone's activations.

Source: AGSSP, https://arxiv.org/abs/2509.18919.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from mmcvgssl.maps import map_to_cells


def activation_distill_loss(
    feats: Sequence[Tensor], anomaly_map: Tensor
) -> Tensor:
    """Distance of each level's squared activation from the anomaly map.

    Args:
        feats: Levels [B, C, H, W]; C, H and W may differ between them.
        anomaly_map: [B, 1, h, w] of the same area; gets no gradient.

    Returns:
        Scalar between 0 and 2 times the number of levels.

    Raises:
        ValueError: If there is no level, or a shape does not fit.

    Example:
        >>> features = torch.zeros(1, 2, 2, 2)
        >>> features[:, :, 0, 0] = 1.0  # active at the anomaly
        >>> anomaly_map = torch.zeros(1, 1, 2, 2)
        >>> anomaly_map[..., 0, 0] = 0.5
        >>> activation_distill_loss([features], anomaly_map)
        tensor(0.)
    """
    return map_distance([squared_activation(f) for f in feats], anomaly_map)


def squared_activation(features: Tensor) -> Tensor:
    """Sum the squares of [B, C, H, W] over the channels, [B, 1, H, W].

    Half-precision features are squared in float32.

    Raises:
        ValueError: If the features are no maps.

    Example:
        >>> squared_activation(torch.full((1, 3, 2, 2), 2.0))[0, 0]
        tensor([[12., 12.],
                [12., 12.]])
    """
    if features.ndim != 4:
        raise ValueError(
            'expected features [B, C, H, W] to compare with an anomaly map, '
            f'got {tuple(features.shape)}; choose a backbone, or an out_type '
            'of it, that gives feature maps'
        )
    return _wide(features).square().sum(dim=1, keepdim=True)


def map_distance(activations: Sequence[Tensor], anomaly_map: Tensor) -> Tensor:
    """Sum over levels of ``|a - m|^2``, the mean over the batch.

    Both are flattened and divided by their lengths, so that a level's term
    is ``2 - 2 cos(a, m)``. What is zero everywhere stays zero.

    Args:
        activations: Levels [B, 1, H, W].
        anomaly_map: [B, 1, h, w], read bilinearly at the cells of each
            level, see :func:`mmcvgssl.maps.map_to_cells`; gets no gradient.

    Raises:
        ValueError: If there is no level, or a shape does not fit.

    Example:
        >>> anomaly_map = torch.rand(2, 1, 8, 8)
        >>> bool(map_distance([anomaly_map], 3 * anomaly_map) < 1e-6)
        True
    """
    _check(activations, anomaly_map)
    # lengths are sums of squares: half precision overflows
    with torch.autocast(anomaly_map.device.type, enabled=False):
        terms = []
        for activation in activations:
            a = _wide(activation)
            m = map_to_cells(anomaly_map.detach().to(a.dtype), a.shape[-2:])
            gap = _unit_length(a) - _unit_length(m)
            terms.append(gap.square().sum(dim=1).mean())
        return torch.stack(terms).sum()


def _wide(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _unit_length(x: Tensor) -> Tensor:
    # the length is bounded below, so zeros have a finite gradient
    return F.normalize(x.flatten(1), dim=1)


def _check(activations: Sequence[Tensor], anomaly_map: Tensor) -> None:
    if not len(activations):
        raise ValueError('expected at least one feature level, got none')
    if anomaly_map.ndim != 4 or anomaly_map.shape[1] != 1:
        raise ValueError(
            'expected anomaly maps [B, 1, h, w], got '
            f'{tuple(anomaly_map.shape)}'
        )
    for i, activation in enumerate(activations):
        if activation.ndim != 4 or activation.shape[:2] != (
            len(anomaly_map),
            1,
        ):
            raise ValueError(
                f'expected one activation [1, H, W] for each of the '
                f'{len(anomaly_map)} anomaly maps, got '
                f'{tuple(activation.shape)} at level {i}'
            )
