"""A frozen network that gives features, and how a file describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from mmcvgssl.datasets.tiles import tiled
from mmcvgssl.evaluation.few_shot.features import input_steps
from mmcvgssl.model_file import LoadedModel
from mmcvgssl.models.classifiers import (
    Embedder,
    ProbeClassifier,
    Standardized,
)
from mmcvgssl.models.teachers import FrozenTeacher, TimmTeacher
from mmcvgssl.registry import MODELS
from mmcvgssl.runner.checkpoint_config import backbone_config, training_config
from mmcvgssl.weights import load, read_checkpoint
from mmcvgssl.weights.files import backbone_state
from mmcvgssl.weights.packages import PACKAGES
from mmcvgssl.weights.safe_build import build_within

PACKAGE = 'package:'
# stages whose features are standardised, as of the recipes' teacher
_LEVELS = (3, 4)
_PARTS = (
    *('backbone', 'teacher', 'mean', 'std'),
    *('standardize', 'poolings'),
)


@dataclass
class Encoder:
    """A network, and how a model file of a classifier describes it.

    Args:
        network: Maps RGB images [N, 3, H, W] in [0, 1] to features [N, D].
        config: Options of :class:`ProbeClassifier` that describe it.
        steps: Transforms from a path to its input.
    """

    network: nn.Module
    config: dict[str, Any]
    steps: list[dict[str, Any]]

    @classmethod
    def of_package(
        cls, name: str, size: int, standardize: bool = False
    ) -> Encoder:
        """Return the network of an installed package, ``'package:NAME'``.

        Args:
            name: Its name.
            size: Side of the images, pixels.
            standardize: Take its last two stages, too, and standardise each
                feature, see :class:`Standardized`, which is still to be fit.

        Raises:
            ValueError: If it is not a known one.
        """
        short = name.removeprefix(PACKAGE)
        if short not in PACKAGES:
            raise ValueError(
                f'expected features of '
                f'{", ".join(PACKAGE + known for known in PACKAGES)}, got '
                f'{name}'
            )
        options: dict[str, Any] = dict(
            model_name=f'tf_{short.replace("-", "_")}',
            weights=name,
            input_size=size,
        )
        if standardize:
            options['levels'] = list(_LEVELS)
        return cls._of(
            TimmTeacher(**options),
            {'teacher': {'type': 'mmcvgssl.TimmTeacher', **options}},
            input_steps((size, size), 'bicubic'),
            standardize,
        )

    @classmethod
    def of_checkpoint(
        cls,
        checkpoint: str,
        config: str | Path | None,
        size: int,
        standardize: bool = False,
    ) -> Encoder:
        """Return the backbone of a checkpoint, with its normalisation.

        Args:
            checkpoint: File of a training.
            config: Config of the training, for a file that holds none.
            size: Side of the images, pixels.
            standardize: Take all levels that the backbone gives, pooled as
                the config says in ``few_shot.poolings``, see
                :meth:`of_package`.

        Raises:
            ValueError: If nothing says of what architecture it is, or its
                mean and std.
        """
        content = read_checkpoint(checkpoint)
        described = backbone_config(content, config, checkpoint)
        key = 'data_preprocessor'
        top, source = training_config(
            content, config, checkpoint, (key, 'model', 'few_shot')
        )
        scales = top.get(key) or (top.get('model') or {}).get(key) or {}
        if not {'mean', 'std'} <= set(scales):
            raise ValueError(
                f'expected data_preprocessor=dict(mean=..., std=...) in '
                f'{source}, got {scales or "none"}: pass the config of the '
                'training run (--config CFG)'
            )
        state = backbone_state(content)
        if config is None:
            net = build_within(
                lambda: MODELS.build(described), state, checkpoint
            )
        else:
            net = MODELS.build(described)
        load(net, checkpoint)
        known: dict[str, Any] = {
            'mean': list(scales['mean']),
            'std': list(scales['std']),
        }
        poolings = (top.get('few_shot') or {}).get('poolings')
        if standardize and poolings:
            known['poolings'] = list(poolings)
        return cls._of(
            Embedder(net, **known),
            {
                'backbone': described,
                **known,
                'checkpoint': Path(checkpoint).name,
            },
            input_steps((size, size), 'bilinear'),
            standardize,
        )

    @classmethod
    def _of(
        cls,
        network: FrozenTeacher | Embedder,
        config: dict[str, Any],
        steps: list[dict[str, Any]],
        standardize: bool,
    ) -> Encoder:
        if not standardize:
            return cls(network, config, steps)
        return cls(
            Standardized(network), {**config, 'standardize': True}, steps
        )

    @classmethod
    def of_model(cls, loaded: LoadedModel) -> Encoder:
        """Return the network of a model file that a classifier can have.

        Raises:
            ValueError: If it has none.
        """
        model: Any = loaded.model
        content = loaded.content
        steps = content.images['pipeline']
        config = {k: v for k, v in content.model.items() if k in _PARTS}
        parts: Mapping[str, nn.Module] = {}
        if isinstance(model, ProbeClassifier):
            parts = {'encoder': model.encoder}
        elif 'teacher' in config and hasattr(model, 'frozen'):
            parts, config = model.frozen(), {'teacher': config['teacher']}
        kinds = (Embedder, FrozenTeacher, Standardized)
        found = [p for p in parts.values() if isinstance(p, kinds)]
        network = found[0] if found else None
        plain = content.model.get('data_preprocessor') is None
        if network is None or not plain or tiled(steps):
            raise ValueError(
                f'{loaded.source}: expected a model file of a classifier, or '
                'of an anomaly model with a `teacher` that takes images '
                f'whole, got a {type(model).__name__} otherwise; name a '
                'checkpoint, or package:efficientnet-lite0'
            )
        if content.weights and content.weights[0].stored:
            config['checkpoint'] = content.weights[0].source
        return cls(network, config, list(steps))
