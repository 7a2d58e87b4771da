"""Distillation of anomaly maps into feature levels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor

from mmcvgssl.models.losses import map_distance, squared_activation
from mmcvgssl.registry import MODELS


@MODELS.register_module()
class AnomalyDistillHead(BaseModule):
    """Distils anomaly maps into the activations of feature levels.

    Source: AGSSP, https://arxiv.org/abs/2509.18919. It has no weights: the
    activation is the sum of squares over the channels. Behind a LayerNorm
    that sum hardly depends on the features, so of a Swin only the output
    norm's own weights would learn: set the backbone's ``norm_cfg=None``, or
    use :class:`AttentionAdapterHead`.

    Args:
        weight: Factor of ``loss_anomaly``.
        init_cfg: See mmengine's ``BaseModule``.

    Raises:
        ValueError: If the weight is negative.

    Example:
        >>> head = MODELS.build(dict(type='mmcvgssl.AnomalyDistillHead'))
        >>> levels = [torch.rand(2, 8, 16, 16), torch.rand(2, 16, 8, 8)]
        >>> losses = head.loss(levels, torch.rand(2, 1, 64, 64))
        >>> losses['loss_anomaly'].shape
        torch.Size([])
    """

    def __init__(
        self, weight: float = 1.0, init_cfg: dict | list[dict] | None = None
    ) -> None:
        super().__init__(init_cfg)
        if not weight >= 0:
            raise ValueError(f'weight must be 0 or more, got {weight}')
        self.weight = weight

    def forward(self, feats: Sequence[Tensor]) -> list[Tensor]:
        """Reduce levels [B, C, H, W] to activations [B, 1, H, W]."""
        return [squared_activation(level) for level in feats]

    def loss(
        self, feats: Sequence[Tensor], anomaly_map: Tensor
    ) -> dict[str, Tensor]:
        """Sum the distances of all levels.

        Args:
            feats: Levels [B, C, H, W].
            anomaly_map: [B, 1, h, w] of the same area.
        """
        distance = map_distance(self(feats), anomaly_map)
        return {'loss_anomaly': self.weight * distance}


def stack_maps(data_samples: Sequence | None, images: Tensor) -> Tensor:
    """Collect the maps of data samples, [B, 1, H, W] as the images are.

    Raises:
        ValueError: If one is missing, or has another size than its image.

    Example:
        >>> from mmengine.structures import BaseDataElement
        >>> sample = BaseDataElement(anomaly_map=torch.rand(1, 8, 8))
        >>> stack_maps([sample, sample], torch.rand(2, 3, 8, 8)).shape
        torch.Size([2, 1, 8, 8])
    """
    maps = []
    for sample in data_samples or ():
        if 'anomaly_map' not in sample:
            raise ValueError(
                f'no anomaly_map in the data sample of {_name(sample)}; use '
                'mmcvgssl.AnomalyMapDataset with the transforms '
                'mmcvgssl.LoadAnomalyMap and mmcvgssl.PackInputsWithMap'
            )
        if sample.anomaly_map.shape != (1, *images.shape[-2:]):
            raise ValueError(
                f'the anomaly map of {_name(sample)} has the shape '
                f'{list(sample.anomaly_map.shape)}, expected '
                f'{[1, *images.shape[-2:]]}, that of the image; resize, crop '
                'and flip both with mmcvgssl.JointGeometry, and pad neither '
                'afterwards'
            )
        maps.append(sample.anomaly_map)
    if len(maps) != len(images):
        raise ValueError(
            f'expected {len(images)} data samples with anomaly maps, got '
            f'{len(maps)}'
        )
    return torch.stack(maps).to(images.device, non_blocking=True)


def _name(sample) -> str:
    return str(sample.get('img_path', 'an image'))
