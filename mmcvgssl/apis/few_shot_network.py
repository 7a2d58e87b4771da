"""The network of a few-shot evaluation, and the features of its images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from mmengine.config import Config
from torch import nn

from mmcvgssl.datasets import SurfaceImages
from mmcvgssl.evaluation.few_shot import features as data
from mmcvgssl.models.classifiers import Embedder, Standardized
from mmcvgssl.models.teachers import FrozenTeacher
from mmcvgssl.registry import MODELS
from mmcvgssl.weights import load
from mmcvgssl.weights.pretrained import initialize


def build_network(
    cfg: Config, checkpoint: str, seed: int, trained: bool = False
) -> FrozenTeacher | Embedder:
    """Build a student with weights of a file, a random one or the teacher.

    Args:
        cfg: A pretraining config.
        checkpoint: A file, ``'none'`` (random weights) or ``'teacher'``.
        seed: Seed of random weights.
        trained: Whether all weights will be trained.

    Raises:
        FileNotFoundError: If the checkpoint does not exist.
        ValueError: If the config has no teacher, or it would be trained.
        mmcvgssl.weights.KeyMismatchError: If the checkpoint is of another
            architecture.
    """
    model = cfg.model
    if checkpoint == 'teacher':
        if trained:
            raise ValueError('a teacher is frozen: use --mode probe or linear')
        if not model.get('teachers'):
            raise ValueError(f'{cfg.filename} has no teachers')
        return MODELS.build(model.teachers[0])
    torch.manual_seed(seed)
    with_scope: Callable = MODELS.switch_scope_and_registry
    with with_scope(cfg.get('default_scope', 'mmpretrain')) as models:
        backbone = models.build(model.backbone)
    initialize(backbone)
    if checkpoint != 'none':
        load(backbone, checkpoint)
    scales = cfg.data_preprocessor
    poolings = cfg.few_shot.get('poolings', ('mean',))
    return Embedder(backbone, scales['mean'], scales['std'], poolings)


def extract_sets(
    network: nn.Module,
    train: SurfaceImages,
    test: SurfaceImages,
    unlabelled: SurfaceImages | None,
    device: torch.device,
    workers: int = 0,
) -> list[np.ndarray]:
    """Return features of two or three sets.

    Args:
        network: Gives the features; a :class:`Standardized` learns mean and
            deviation of all images but those of ``test``.
        train: Labelled images.
        test: Labelled images.
        unlabelled: A third set, if there is one.

    Returns:
        float32 [N, D] each.
    """
    sets = {'training images': train, 'test images': test}
    if unlabelled is not None:
        sets['images without labels'] = unlabelled
    network.eval()
    encode = network.join if isinstance(network, Standardized) else network
    made = [
        data.extract(encode, part, device, 64, workers, title)
        for title, part in sets.items()
    ]
    if not isinstance(network, Standardized):
        return made
    first, tested, *more = made
    rows, tested = network.fit_and_scale(
        np.concatenate([first, *more]), tested
    )
    first, *more = np.split(rows, [len(first)]) if more else [rows]
    return [first, tested, *more]
