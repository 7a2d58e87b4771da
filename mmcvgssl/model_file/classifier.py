"""Classifiers on frozen features to and from a model file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmcvgssl.model_file import frozen
from mmcvgssl.model_file.classes import check_names
from mmcvgssl.model_file.model_file import ModelFile, ModelFileError
from mmcvgssl.model_file.safe_model import check_classifier
from mmcvgssl.model_file.steps import images_of
from mmcvgssl.models.anomaly.fitted_state import FittedStateError, part_of
from mmcvgssl.models.anomaly.state_forms import Form, below, check_state
from mmcvgssl.models.anomaly.storable import BASIS
from mmcvgssl.models.classifiers import ProbeClassifier, Standardized
from mmcvgssl.registry import MODELS
from mmcvgssl.weights import EXACT, load
from mmcvgssl.weights.safe_build import build_within

KIND = 'classifier'
_HEAD = 'head'
# mean and std of the features, where they are standardised
_SCALE = 'scale'
# features and class indices of the images that were learned from
_SUPPORT = {
    'features': Form(('n', 'width')),
    'labels': Form(('n',), torch.int64),
}


def to_file(
    model: ProbeClassifier,
    config: Mapping[str, Any],
    steps: Sequence[Mapping[str, Any]],
    classes: Sequence[str],
    chosen: Mapping[str, Any] | None = None,
    provenance: dict[str, Any] | None = None,
    whole: bool = False,
    licences: Sequence[str] = (),
    support: tuple[Tensor, Tensor] | None = None,
) -> ModelFile:
    """Describe a classifier, so that a file alone gives the same results.

    Args:
        model: The classifier.
        config: Config that the model was built from.
        steps: Transforms from a path to the model's input, settled.
        classes: Names, by index.
        chosen: How the classifier was learned, for people.
        provenance: Provenance of the model, by name.
        whole: Store the weights of installed packages, too.
        licences: Further terms, one text each.
        support: Features [n, D] and class indices [n] of the images that the
            layer was learned from, which an update goes on from.

    Raises:
        ModelFileError: If the model was made around a module, or the names
            are not those of its classes.
        mmcvgssl.weights.WeightsError: If the config names what no file may.
    """
    source = 'a model file of ProbeClassifier'
    plain = frozen.plain_config(config)
    checked = check_classifier(plain, source)
    images = images_of(steps, source)
    check_names(classes, model.head.out_features, source)
    weights, tensors, terms = frozen.describe(model.frozen(), plain, whole)
    for key, value in model.head.state_dict().items():
        tensors[f'{_HEAD}.{key}'] = value
    if isinstance(model.encoder, Standardized):
        tensors[f'{_SCALE}.mean'] = model.encoder.mean
        tensors[f'{_SCALE}.std'] = model.encoder.std
    if support is not None:
        for name, part in zip(_SUPPORT, support, strict=True):
            tensors[f'{BASIS}.{name}'] = part
    return ModelFile(
        kind=KIND,
        model=checked,
        images=images,
        tensors=tensors,
        weights=weights,
        classes=list(classes),
        chosen=dict(chosen or {}),
        provenance=provenance,
        licences=[*licences, *terms],
    )


def from_file(content: ModelFile, source: str) -> ProbeClassifier:
    """Build the classifier that a file describes.

    Args:
        content: Content of kind ``'classifier'``.
        source: The file, for messages.

    Raises:
        ModelFileError: If parts of the file do not belong together, or
            weights that are needed beside it are others.
        mmcvgssl.weights.WeightsError: If it names what no file may name.
        ModuleNotFoundError: If a package that it needs is not installed.
    """
    config = check_classifier(content.model, source)
    parts = [key for key in ('backbone', 'teacher') if key in config]
    frozen.check_parts(parts, content.weights, source)
    frozen.check_tensors(content, source, _HEAD, BASIS, _SCALE)
    check_names(content.classes, config.get('num_classes'), source)
    bare = frozen.without_packages(config, content.weights)
    model: Any = build_within(
        lambda: MODELS.build(ProbeClassifier.for_file(bare)),
        frozen.measured_by(content, bare),
        source,
        passes=parts.count('teacher'),
    )
    frozen.take_weights(model.frozen(), content, source)
    tensors = part_of(content.tensors, _HEAD)
    load(model.head, tensors, EXACT, source, log=False)
    _scale(content, model, source)
    _support(content, model.head, source)
    model.dataset_meta = {'classes': tuple(content.classes)}
    return model


def _scale(content: ModelFile, model: ProbeClassifier, source: str) -> None:
    """Take mean and standard deviation of standardised features.

    Raises:
        FittedStateError: If they are missing, not asked for, or impossible.
    """
    found = part_of(content.tensors, _SCALE)
    network = model.encoder
    if not isinstance(network, Standardized):
        if found:
            raise FittedStateError(
                f'{source}: expected no tensors `{_SCALE}.…` of a classifier '
                f'that does not standardise, got {", ".join(found)}'
            )
        return
    named = {f'{_SCALE}.{key}': value for key, value in found.items()}
    form = Form((len(network.mean),))
    forms = {'mean': form, 'std': form}
    check_state(named, below(_SCALE, forms), source)
    if not bool(found['mean'].isfinite().all()):
        raise FittedStateError(
            f'{source}: expected finite `{_SCALE}.mean`, got NaN or infinity; '
            'learn anew'
        )
    if not bool(((found['std'] > 0) & found['std'].isfinite()).all()):
        raise FittedStateError(
            f'{source}: expected `{_SCALE}.std` above 0, got '
            f'{float(found["std"].min())}; learn anew'
        )
    network.mean.copy_(found['mean'])
    network.std.copy_(found['std'])


def support_of(
    content: ModelFile, source: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return features [n, D] and class indices [n] of a classifier's images.

    Args:
        content: Content of kind ``'classifier'``.
        source: The file, for messages.

    Raises:
        ModelFileError: If the file has none.
    """
    found = part_of(content.tensors, BASIS)
    if not found:
        raise ModelFileError(
            f'{source}: expected a classifier with what an update goes on '
            'from (tensors `update.…`), got one without, as earlier versions '
            'of this package wrote it: learn anew from all images'
        )
    return found['features'].numpy(), found['labels'].numpy()


def _support(content: ModelFile, head: nn.Linear, source: str) -> None:
    """Check features and labels of the images that were learned from.

    Raises:
        FittedStateError: If they are not those of the head's classes.
    """
    found = part_of(content.tensors, BASIS)
    if not found:
        return
    named = {f'{BASIS}.{key}': value for key, value in found.items()}
    check_state(named, below(BASIS, _SUPPORT), source)
    width, labels = found['features'].shape[1], found['labels']
    count = head.out_features
    known = set(labels.tolist()) == set(range(count))
    if width != head.in_features or not known:
        raise FittedStateError(
            f'{source}: expected `{BASIS}.features` of width '
            f'{head.in_features} and `{BASIS}.labels` of each of {count} '
            f'classes, got width {width} and labels '
            f'{sorted(set(labels.tolist()))!s:.80}; learn anew'
        )
