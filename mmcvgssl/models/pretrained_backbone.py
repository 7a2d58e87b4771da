"""Weights of a pretrained backbone as an ``init_cfg``."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from mmcvgssl.registry import WEIGHT_INITIALIZERS
from mmcvgssl.weights import FITTING, load
from mmcvgssl.weights.load import LEAST


@WEIGHT_INITIALIZERS.register_module()
class PretrainedBackbone:
    """Load a backbone's weights from a checkpoint; stop if few fit.

    mmengine's ``Pretrained`` takes what fits and goes on. Backbones that read
    ``init_cfg`` themselves, such as mmdet's Swin, take the config's
    ``backbone_checkpoint``, see :class:`LoadBackboneHook`.

    Args:
        checkpoint: Checkpoint of any stage, or plain weights.
        least: Share of the backbone's weights that must fit, in [0, 1].

    Raises:
        FileNotFoundError: If the file does not exist.
        mmcvgssl.weights.KeyMismatchError: If too few weights fit.
        mmcvgssl.weights.WeightsError: If the file cannot be read as weights,
            or holds NaN or infinity.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> import torch
        >>> from mmcvgssl.registry import MODELS
        >>> config = dict(type='mmpretrain.ResNet', depth=18)
        >>> with TemporaryDirectory() as folder:
        ...     path = f'{folder}/backbone.pth'
        ...     torch.save(MODELS.build(config).state_dict(), path)
        ...     init_cfg = dict(
        ...         type='mmcvgssl.PretrainedBackbone', checkpoint=path
        ...     )
        ...     backbone = MODELS.build({**config, 'init_cfg': init_cfg})
        ...     backbone.init_weights()
    """

    wholemodule = False  # mmengine sets it

    def __init__(self, checkpoint: str, least: float = LEAST) -> None:
        self.checkpoint, self.least = checkpoint, least

    def __call__(self, module: nn.Module) -> None:
        """Load."""
        load(module, self.checkpoint, replace(FITTING, least=self.least))
        # the hosts check these before they initialise parts again
        init_cfg = {'type': 'Pretrained', 'checkpoint': self.checkpoint}
        module.init_cfg = init_cfg  # type: ignore[assignment]
        for part in module.modules():
            if hasattr(part, '_is_init'):
                part._is_init = True  # type: ignore[assignment]
