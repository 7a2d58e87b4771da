"""A linear classifier on a frozen network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmpretrain.models import BaseClassifier
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from mmcvgssl.models.classifiers.embedder import Embedder
from mmcvgssl.models.classifiers.standardized import Standardized
from mmcvgssl.registry import MODELS
from mmcvgssl.weights import load
from mmcvgssl.weights.pretrained import initialize

TO_RGB = dict(type='mmengine.ImgDataPreprocessor', bgr_to_rgb=True)


@MODELS.register_module()
class ProbeClassifier(BaseClassifier):
    """A linear classifier on L2-normalised features of a frozen network.

    What few-shot evaluation calls a probe, as a model: the layer is that of a
    logistic regression, see :meth:`set_head`.

    Args:
        num_classes: Number of classes.
        in_channels: Width of the features.
        backbone: Config of a backbone of a host, or a ready one.
        teacher: Config of a frozen teacher, or a ready one, instead of
            ``backbone``.
        checkpoint: Weights of the backbone; None: those that its config
            names, if any.
        mean: Mean of RGB channels in [0, 255]; a teacher has its own.
        std: Standard deviation of RGB channels in [0, 255].
        init_backbone: Whether to load the weights that the backbone's config
            names.
        standardize: Whether features are those of all levels,
            :class:`Standardized`.
        poolings: Of the backbone's levels, as of :class:`Embedder`; a teacher
            has its own.

    Raises:
        ValueError: If there is not one of backbone and teacher, or a number
            is out of range.
        FileNotFoundError: If the checkpoint does not exist.
        mmcvgssl.weights.KeyMismatchError: If it does not fit.

    Example:
        >>> import torch
        >>> from mmcvgssl.models import ProbeClassifier
        >>> net = torch.nn.Conv2d(3, 4, 1)
        >>> model = ProbeClassifier(2, 4, net, init_backbone=False)
        >>> sample = model(torch.zeros(1, 3, 8, 8), mode='predict')[0]
        >>> sample.pred_score.sum()
        tensor(1.)
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        backbone: dict | nn.Module | None = None,
        teacher: dict | nn.Module | None = None,
        checkpoint: str | None = None,
        mean: Sequence[float] = (127.5, 127.5, 127.5),
        std: Sequence[float] = (127.5, 127.5, 127.5),
        init_backbone: bool = True,
        standardize: bool = False,
        poolings: Sequence[str] = ('mean',),
    ) -> None:
        super().__init__(data_preprocessor=dict(TO_RGB))
        if (backbone is None) == (teacher is None):
            raise ValueError(
                'ProbeClassifier takes features of a backbone or of a '
                'teacher: give one of them'
            )
        if num_classes < 2 or in_channels < 1:
            raise ValueError(
                'expected num_classes of 2 or more and in_channels of 1 or '
                f'more, got {num_classes} and {in_channels}'
            )
        encoder: Any
        if backbone is not None:
            net = _build(backbone)
            if init_backbone and isinstance(net, BaseModule):
                initialize(net)
            if checkpoint is not None:
                load(net, checkpoint)
            encoder = Embedder(net, mean, std, poolings)
        else:
            encoder = _build(teacher)
        self.encoder: nn.Module = encoder
        self.encoder.requires_grad_(False).eval()
        if standardize:
            self.encoder = Standardized(encoder)
        # as scikit-learn computes; left trainable, as DDP refuses a model in
        # which nothing could be trained
        self.head = nn.Linear(in_channels, num_classes, dtype=torch.float64)

    def set_head(self, coefficients: Any, intercepts: Any) -> None:
        """Set the weights of a logistic regression.

        Args:
            coefficients: [num_classes, in_channels], or [1, in_channels] of
                the second of two classes, as in scikit-learn.
            intercepts: [num_classes], or [1].

        Raises:
            ValueError: If the shapes are others.
        """
        rows = torch.as_tensor(coefficients, dtype=torch.float64)
        shifts = torch.as_tensor(intercepts, dtype=torch.float64)
        if self.head.out_features == 2 and len(rows) == 1:
            rows = torch.cat([torch.zeros_like(rows), rows])
            shifts = torch.cat([torch.zeros_like(shifts), shifts])
        own = self.head.weight.shape
        if rows.shape != own or shifts.shape != own[:1]:
            raise ValueError(
                f'expected coefficients of shape {tuple(own)}, got '
                f'{tuple(rows.shape)} and {tuple(shifts.shape)} intercepts'
            )
        with torch.no_grad():
            self.head.weight.copy_(rows)
            self.head.bias.copy_(shifts)

    def extract_feat(self, inputs: Tensor) -> Tensor:
        """Return features [N, D] of length 1 of RGB images in [0, 255]."""
        features = self.encoder(inputs / 255).float()
        # the same rounding as that of the regression's training features
        return F.normalize(features, eps=1e-12).double()

    def forward(
        self,
        inputs: Tensor,
        data_samples: list[DataSample] | None = None,
        mode: str = 'tensor',
    ):
        """Classify RGB images [N, 3, H, W] in [0, 255].

        Returns:
            Logits [N, C] in mode ``'tensor'``; data samples with
            ``pred_score`` [C] and ``pred_label`` in mode ``'predict'``.

        Raises:
            ValueError: If ``mode`` is ``'loss'``: nothing is trained.
        """
        if mode not in ('predict', 'tensor'):
            raise ValueError(
                "ProbeClassifier has modes 'predict' and 'tensor', got "
                f'{mode!r}; its layer is learned by mmcvgssl few-shot --save'
            )
        if mode == 'tensor':
            return self.head(self.extract_feat(inputs))
        return self.predict(inputs, data_samples)

    @torch.no_grad()
    def predict(
        self, inputs: Tensor, data_samples: list[DataSample] | None = None
    ) -> list[DataSample]:
        """Return samples with ``pred_score`` and ``pred_label``."""
        scores = self.head(self.extract_feat(inputs)).softmax(1).float()
        samples = data_samples or [DataSample() for _ in inputs]
        for sample, score in zip(samples, scores, strict=True):
            sample.set_pred_score(score).set_pred_label(score.argmax())
        return samples

    def init_weights(self) -> None:
        """Do nothing: the constructor has loaded the weights."""

    def train(self, mode: bool = True) -> ProbeClassifier:
        """Set the mode; the frozen network stays in evaluation."""
        super().train(mode)
        self.encoder.eval()
        return self

    @classmethod
    def for_file(cls, config: dict[str, Any]) -> dict[str, Any]:
        """Return the config of a model that gets its weights from a file."""
        teacher = config.get('teacher')
        if teacher is None:
            named = 'weights' in config['backbone']  # an installed package
            return {**config, 'init_backbone': named}
        if 'weights' in teacher:
            return config
        return {**config, 'teacher': {**teacher, 'allow_random': True}}

    def frozen(self) -> dict[str, nn.Module]:
        """Return the networks that fitting does not change.

        They are named by keys of the model's config.
        """
        encoder: nn.Module = self.encoder
        if isinstance(encoder, Standardized):
            encoder = encoder.encoder
        if isinstance(encoder, Embedder):
            return {'backbone': encoder.backbone}
        return {'teacher': encoder}


def _build(part: dict | nn.Module | None) -> nn.Module:
    return part if isinstance(part, nn.Module) else MODELS.build(part)
