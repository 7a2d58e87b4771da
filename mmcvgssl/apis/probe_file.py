"""A classifier on features of a few images, as a model file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from mmcvgssl.apis.encoder import Encoder
from mmcvgssl.evaluation.few_shot.learners import INVERSE_PENALTY, fit_probe
from mmcvgssl.model_file import ModelFile, prediction_steps
from mmcvgssl.model_file import classifier as kind
from mmcvgssl.models.classifiers import (
    Embedder,
    ProbeClassifier,
    Standardized,
)

# in `chosen` of the file: how many images without labels there were
UNLABELLED = 'unlabelled'


def probe_file(
    encoder: Encoder,
    rows: np.ndarray,
    labels: np.ndarray,
    names: Sequence[str],
    chosen: Mapping[str, Any],
    provenance: dict[str, Any],
    unlabelled: np.ndarray | None = None,
    learned: LogisticRegression | None = None,
) -> ModelFile:
    """Learn a logistic regression, and describe it as a model file.

    Args:
        encoder: The network that the features are of.
        rows: Features float32 [n, D] of the images to learn from.
        labels: Class indices [n].
        names: Names of the classes, by index.
        chosen: Further facts for ``chosen`` of the file.
        provenance: Provenance of the model.
        unlabelled: Features float32 [N, D] of images that learn their labels
            from these, see :func:`fit_probe`.
        learned: What :func:`fit_probe` has made of these, if it has.

    Raises:
        mmcvgssl.weights.WeightsError: If the config of the network names
            what no file may name.
    """
    if learned is None:
        learned = fit_probe(rows, labels, unlabelled)
    size = {'num_classes': len(names), 'in_channels': rows.shape[1]}
    network: Any = encoder.network
    scaled = isinstance(network, Standardized)
    inner = network.encoder if scaled else network
    part: dict[str, Any] = {'teacher': inner}
    if isinstance(inner, Embedder):
        part = {'backbone': inner.backbone, 'init_backbone': False}
        part['poolings'] = inner.poolings
    model = ProbeClassifier(**size, **part, standardize=scaled)
    if scaled:
        model.encoder = network
    model.set_head(learned.coef_, learned.intercept_)
    return kind.to_file(
        model,
        {'type': 'mmcvgssl.ProbeClassifier', **size, **encoder.config},
        prediction_steps(encoder.steps),
        names,
        {
            'method': 'logistic regression on L2-normalised features',
            'C': INVERSE_PENALTY,
            'images': len(rows),
            UNLABELLED: 0 if unlabelled is None else len(unlabelled),
            'draw': None,
            **chosen,
        },
        provenance,
        support=(
            torch.from_numpy(np.ascontiguousarray(rows, np.float32)),
            torch.from_numpy(np.asarray(labels, np.int64)),
        ),
    )
