"""Words in model files: their features, in place of a text tower."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mmcvgssl.models.anomaly.anomaly_model import AnomalyModel
from mmcvgssl.models.anomaly.prompts import as_content
from mmcvgssl.models.anomaly.state_forms import Form, check_state
from mmcvgssl.models.anomaly.text_cache import FixedTexts, TextCache
from mmcvgssl.models.anomaly.vv_attention import ImageSide, VVAttention


class StoredWords(AnomalyModel):
    """Base class of a model whose file has text features of its categories.

    Args:
        *args: Of :class:`AnomalyModel`.
        **kwargs: Of :class:`AnomalyModel`.
    """

    clip: Any
    path: VVAttention
    texts: TextCache | FixedTexts
    knowledge: Mapping[str, Any]
    prompts: Mapping[str, Any]
    mean: Tensor
    std: Tensor

    def text_features(self, category: str) -> tuple[Tensor, Tensor, Tensor]:
        """Return (normal, anomalous, redundant) text features, each [D]."""
        raise NotImplementedError(
            f'{type(self).__name__} must implement text_features()'
        )

    def frozen(self) -> dict[str, nn.Module]:
        """Return the image tower; words are stored as features."""
        return {'': self.clip.visual}

    def fixed_tensors(self) -> dict[str, Tensor]:
        """Return text features [3, D] by category, and the normalisation."""
        texts = {
            f'text.{name}': torch.stack(self.text_features(name))
            for name in self.knowledge
        }
        return {**texts, 'mean': self.mean.clone(), 'std': self.std.clone()}

    def take_fixed_tensors(
        self, tensors: Mapping[str, Tensor], where: str
    ) -> None:
        """Take what :meth:`fixed_tensors` gave, and let the text tower go."""
        width = self.path.visual.output_dim
        forms = {f'text.{name}': Form((3, width)) for name in self.knowledge}
        image = {'mean': Form((3, 1, 1)), 'std': Form((3, 1, 1))}
        check_state(tensors, {**forms, **image}, where)
        self.texts = FixedTexts(
            {
                prompts: tensors[f'text.{name}'].clone()
                for name, prompts in self.prompts.items()
            }
        )
        self.mean.copy_(tensors['mean'])
        self.std.copy_(tensors['std'])
        self.clip = ImageSide(self.clip.visual)

    @classmethod
    def portable(cls, config: dict[str, Any]) -> dict[str, Any]:
        """Return a config with the knowledge itself instead of its file."""
        own = ('cache_dir', 'allow_random', 'depth_range')
        shared = {k: v for k, v in config.items() if k not in own}
        return {**shared, 'knowledge': as_content(config['knowledge'])}

    @classmethod
    def for_file(cls, config: dict[str, Any]) -> dict[str, Any]:
        """Return the config of a model that gets its weights from a file."""
        if not isinstance(config['knowledge'], Mapping):
            raise TypeError('expected what is known, not the name of a file')
        return {**config, 'allow_random': True}
