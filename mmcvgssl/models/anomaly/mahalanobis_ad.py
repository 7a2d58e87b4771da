"""Mahalanobis-AD: one Gaussian of normal features for all positions."""

from __future__ import annotations

from mmcvgssl.models.anomaly.patch_gaussian import PatchGaussian
from mmcvgssl.registry import MODELS


@MODELS.register_module()
class MahalanobisAD(PatchGaussian):
    """Mahalanobis distance to one Gaussian of all normal patches.

    Source: "Modeling the Distribution of Normal Data in Pre-Trained Deep
    Features for Anomaly Detection", https://arxiv.org/abs/2005.14140: there
    for the pooled features of an image (``image_score='pooled'``), here for
    patches, too, which gives the map. Textures, and parts at any position,
    are what it is for.

    Args:
        *args: Of :class:`PatchGaussian`.
        **kwargs: Of :class:`PatchGaussian`.

    Example:
        >>> from mmcvgssl.registry import MODELS
        >>> model = MODELS.build(
        ...     dict(
        ...         type='mmcvgssl.MahalanobisAD',
        ...         teacher=dict(
        ...             type='mmcvgssl.TimmTeacher',
        ...             model_name='tf_efficientnet_lite0',
        ...             weights='package:efficientnet-lite0',
        ...             levels=(3, 4),
        ...             input_size=64,
        ...         ),
        ...         image_score='pooled',
        ...     )
        ... )
        >>> model.needs_fit
        True
    """

    shared = True
