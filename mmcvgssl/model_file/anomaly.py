"""Anomaly models to and from a model file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mmcvgssl.model_file import frozen
from mmcvgssl.model_file.model_file import ModelFile
from mmcvgssl.model_file.safe_model import check_model
from mmcvgssl.model_file.steps import images_of
from mmcvgssl.models.anomaly import AnomalyModel
from mmcvgssl.models.anomaly.fitted_state import FittedStateError, part_of
from mmcvgssl.provenance import Provenance, require_same
from mmcvgssl.registry import MODELS
from mmcvgssl.weights.safe_build import build_within
from mmcvgssl.weights.safe_config import ORIGINS

KIND = 'anomaly'
_FIXED = 'fixed'
# settings that a file omits, as weights have their own digest
_ELSEWHERE = {*ORIGINS, 'weights', 'normal_images', 'allow_random'}


def check_portable(
    config: Mapping[str, Any], steps: Sequence[Mapping[str, Any]], source: str
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Check, before the fit, that a file can describe the model.

    Args:
        config: Config of an anomaly model.
        steps: Transforms from a path to its input.
        source: The file, for messages.

    Returns:
        The config as plain data, the same as a file holds it, and the
        ``images`` of the file.

    Raises:
        ModelFileError: If the config holds a module.
        mmcvgssl.weights.WeightsError: If it names what no file may.
    """
    kind: Any = MODELS.get(config['type'])
    plain = kind.portable(frozen.plain_config(config))
    return plain, check_model(plain, source), images_of(steps, source)


def to_file(
    model: AnomalyModel,
    config: Mapping[str, Any],
    steps: Sequence[Mapping[str, Any]],
    category: str = '',
    whole: bool = False,
    licences: Sequence[str] = (),
) -> ModelFile:
    """Describe a fitted model, so that a file alone gives the same results.

    Args:
        model: The model, fitted.
        config: Config that the model was built from.
        steps: Transforms from a path to the model's input, settled.
        category: Category of the images.
        whole: Store the weights of installed packages, too.
        licences: Further terms, one text each.

    Raises:
        FittedStateError: If the model is not fitted.
        ModelFileError: If the model was made around a module.
        mmcvgssl.weights.WeightsError: If the config names what no file may.
    """
    source = f'a model file of {type(model).__name__}'
    plain, checked, images = check_portable(config, steps, source)
    tensors = model.learned_tensors()
    for key, value in model.fixed_tensors().items():
        tensors[f'{_FIXED}.{key}'] = value
    weights, stored, terms = frozen.describe(model.frozen(), plain, whole)
    tensors |= stored
    return ModelFile(
        kind=KIND,
        model=checked,
        images=images,
        tensors=tensors,
        weights=weights,
        category=category,
        settings=model.settings,
        chosen=model.chosen,
        remarks=list(model.remarks),
        provenance=(
            None
            if model.provenance is None
            else json.loads(model.provenance.to_json())
        ),
        licences=[*licences, *terms],
    )


def from_file(content: ModelFile, source: str) -> AnomalyModel:
    """Build the model that a file describes, fitted.

    Args:
        content: Content of kind ``'anomaly'``.
        source: The file, for messages.

    Raises:
        ModelFileError: If parts of the file do not belong together, or
            weights that are needed beside it are others.
        mmcvgssl.weights.WeightsError: If it names what no file may name.
        ModuleNotFoundError: If a package that it needs is not installed.
        FittedStateError: If what was learned does not fit the model.
    """
    config = check_model(content.model, source)
    frozen.check_parts(_frozen_parts(config), content.weights, source)
    bare = frozen.without_packages(config, content.weights)
    kind = MODELS.get(config['type'])
    model: Any = build_within(
        lambda: MODELS.build(kind.for_file(bare)),
        frozen.measured_by(content, bare),
        source,
        passes=len(_frozen_parts(bare)),
    )
    frozen.take_weights(model.frozen(), content, source)
    model.take_fixed_tensors(part_of(content.tensors, _FIXED), source)
    require_same(
        Provenance(_comparable(model.settings)),
        Provenance(_comparable(content.settings)),
        source,
        error=FittedStateError,
    )
    model.settings = content.settings
    learned = {
        key: value
        for key, value in content.tensors.items()
        if not key.startswith((f'{frozen.WEIGHTS}.', f'{_FIXED}.'))
    }
    notes = {
        **{'settings': content.settings, 'chosen': content.chosen},
        'remarks': content.remarks,
    }
    if content.provenance is not None:
        notes['provenance'] = content.provenance
    model.take_learned(notes, learned, source)
    return model


def _frozen_parts(config: Mapping[str, Any], above: str = '') -> list[str]:
    """Return the keys of :meth:`frozen` for the model of a config."""
    if 'members' in config:
        return [
            keys
            for i, member in enumerate(config['members'])
            for keys in _frozen_parts(member, f'{above}members.{i}.')
        ]
    names = [key for key in ('teacher', 'backbone') if key in config]
    return [f'{above}{name}'.rstrip('.') for name in names or ['']]


def _comparable(settings: Any) -> Any:
    """Return settings without the origins of weights."""
    if isinstance(settings, Mapping):
        # a CLIP's mean and std belong to its weights
        apart = {'mean', 'std'} if 'clip' in settings else set()
        return {
            key: _comparable(value)
            for key, value in settings.items()
            if key not in _ELSEWHERE | apart
        }
    if isinstance(settings, (list, tuple)):
        return [_comparable(item) for item in settings]
    return settings
