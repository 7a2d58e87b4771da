"""PaDiM: a Gaussian of normal features for each position."""

from __future__ import annotations

from mmcvgssl.models.anomaly.patch_gaussian import PatchGaussian
from mmcvgssl.models.teachers import FrozenTeacher
from mmcvgssl.registry import MODELS


@MODELS.register_module()
class PaDiM(PatchGaussian):
    """Mahalanobis distance of each patch to the normal ones at its position.

    Source: "PaDiM: a Patch Distribution Modeling Framework for Anomaly
    Detection and Localization", https://arxiv.org/abs/2011.08785. It is for
    parts that lie in one position in every image; for textures see
    :class:`MahalanobisAD`.

    Args:
        teacher: A frozen teacher with ``levels``, or its config.
        channels: Channels of the joined levels to use, drawn by the seed: 100
            as in the paper, 0 uses all. The Gaussians of a map of h x w
            patches are h * w * channels^2 numbers.
        neighbourhood: See :class:`PatchFeatures`; 1 as in the paper.
        **kwargs: Of :class:`PatchGaussian`.

    Example:
        >>> from mmcvgssl.registry import MODELS
        >>> model = MODELS.build(
        ...     dict(
        ...         type='mmcvgssl.PaDiM',
        ...         teacher=dict(
        ...             type='mmcvgssl.TimmTeacher',
        ...             model_name='tf_efficientnet_lite0',
        ...             weights='package:efficientnet-lite0',
        ...             levels=(2, 3, 4),
        ...             input_size=64,
        ...         ),
        ...     )
        ... )
        >>> model.channels
        100
    """

    shared = False

    def __init__(
        self,
        teacher: FrozenTeacher | dict,
        channels: int = 100,
        neighbourhood: int = 1,
        **kwargs,
    ) -> None:
        super().__init__(
            teacher, channels=channels, neighbourhood=neighbourhood, **kwargs
        )
