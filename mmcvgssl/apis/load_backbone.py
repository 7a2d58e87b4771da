"""Trained backbones as modules of other packages."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from mmcvgssl.runner.checkpoint_config import backbone_config
from mmcvgssl.weights import backbone_state, load, read_checkpoint
from mmcvgssl.weights.names import TARGETS, convert
from mmcvgssl.weights.safe_build import build_within
from mmcvgssl.weights.targets import build_target


def load_backbone(
    checkpoint: str | Path,
    to: str = 'mmpretrain',
    config: str | Path | None = None,
    arch: str | None = None,
) -> nn.Module:
    """Load the backbone of a training as a ready module of a package.

    Args:
        checkpoint: Checkpoint of a training run, or plain weights with
            ``config``.
        to: Package of the module: mmpretrain, mmdet, mmyolo, timm or
            torchvision.
        config: Config of the training run, if the checkpoint holds none.
        arch: Name of the model in timm or torchvision, if not the usual one.

    Returns:
        The module on the CPU, in evaluation mode. Those of timm and
        torchvision give logits of random weights, as checkpoints hold no
        classifier of theirs: use ``forward_features`` of timm's, or replace
        ``fc``.

    Raises:
        FileNotFoundError: If a file is missing.
        ModuleNotFoundError: If the package is not installed.
        ValueError: If there is no backbone config, or no counterpart, or the
            checkpoint's config names what no file may name.
        mmcvgssl.weights.KeyMismatchError: If keys do not fit.

    Example:
        >>> import torch
        >>> from mmcvgssl.apis import load_config, run_training
        >>> _ = run_training(load_config('train.py'))
        >>> net = load_backbone('work_dirs/train/epoch_1.pth', to='timm')
        >>> net.forward_features(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 512, 1, 1])
    """
    model, state = build_for(checkpoint, to, config, arch)
    load(model, state, name=f'{checkpoint} for {to}', log=False)
    model.eval()  # that of some hosts returns nothing
    return model


def build_for(
    checkpoint: str | Path,
    target: str,
    config: str | Path | None = None,
    arch: str | None = None,
) -> tuple[nn.Module, dict[str, Tensor]]:
    """Build the model that a backbone's weights go to, and rename these.

    Args:
        checkpoint: See :func:`load_backbone`.
        target: Package of the model.
        config: See :func:`load_backbone`.
        arch: See :func:`load_backbone`.

    Returns:
        The model, untrained, and the weights by its names.

    Raises:
        ValueError: If the target is none of these, and else as
            :func:`load_backbone`.
    """
    if target not in TARGETS:
        raise ValueError(
            f'expected a target of {", ".join(TARGETS)}, got {target!r}'
        )
    content = read_checkpoint(checkpoint)
    cfg = backbone_config(content, config, str(checkpoint))
    found = backbone_state(content)
    state = convert(found, cfg, target)
    if config is not None:
        return build_target(cfg, target, arch), state
    model = build_within(
        lambda: build_target(cfg, target, arch), found, str(checkpoint)
    )
    return model, state
