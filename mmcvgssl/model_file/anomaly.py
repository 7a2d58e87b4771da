"""Anomaly models to and from a model file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from mmcvgssl.model_file.content import ModelFile, ModelFileError, WeightsOf
from mmcvgssl.model_file.safe_model import check_model
from mmcvgssl.models.anomaly import AnomalyModel
from mmcvgssl.models.anomaly.fitted_state import FittedStateError, part_of
from mmcvgssl.provenance import Provenance, digest_tensors, require_same
from mmcvgssl.registry import MODELS, SCOPE
from mmcvgssl.weights import EXACT, load
from mmcvgssl.weights.packages import PACKAGES, licence_of, package_state
from mmcvgssl.weights.safe_build import build_within
from mmcvgssl.weights.safe_config import ORIGINS, check_transforms

KIND = 'anomaly'
PACKAGE = 'package:'
_WEIGHTS, _FIXED = 'weights', 'fixed'
# settings that a file need not repeat: weights have a digest of their own
_ELSEWHERE = {*ORIGINS, 'weights', 'normal_images', 'allow_random'}


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
        config: What it was built of.
        steps: Transforms from a path to the model's input, settled.
        category: What the images are of.
        whole: Store the weights of installed packages, too.
        licences: Further terms, one text each.

    Raises:
        FittedStateError: If the model is not fitted.
        ModelFileError: If the model was made around a module.
        mmcvgssl.weights.WeightsError: If the config names what no file may.
    """
    plain = model.portable(plain_config(config))
    source = f'a model file of {type(model).__name__}'
    check_transforms(list(steps), source)
    tensors = model.learned_tensors()
    for key, value in model.fixed_tensors().items():
        tensors[f'{_FIXED}.{key}'] = value
    terms = list(licences)
    weights: list[WeightsOf] = []
    for digest, (parts, module) in _by_digest(model.frozen()).items():
        name, is_package = _source(plain, parts[0])
        stored = whole or not is_package
        if stored:
            at = f'{_WEIGHTS}.{len(weights)}'
            for key, value in module.state_dict().items():
                tensors[f'{at}.{key}'] = value
        weights.append(WeightsOf(parts, digest, name, stored))
        terms.append(f'weights of {name}: {_licence(name, is_package)}')
    checked = check_model(plain, source)
    return ModelFile(
        kind=KIND,
        model=checked,
        images={'pipeline': [dict(step) for step in steps]},
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
        licences=terms,
    )


def from_file(content: ModelFile, source: str) -> AnomalyModel:
    """Build the model that a file describes, fitted.

    Args:
        content: Of kind ``'anomaly'``.
        source: The file, for messages.

    Raises:
        ModelFileError: If parts of the file do not belong together, or
            weights that are needed beside it are others.
        mmcvgssl.weights.WeightsError: If it names what no file may name.
        ModuleNotFoundError: If a package that it needs is not installed.
        FittedStateError: If what was learned does not fit the model.
    """
    config = check_model(content.model, source)
    _check_places(config, content.weights, source)
    bare = _without_packages(config, content.weights)
    kind = MODELS.get(config['type'])
    model: Any = build_within(
        lambda: MODELS.build(kind.for_file(bare)),
        _measured_by(content, bare),
        source,
        passes=len(_places(bare)),
    )
    _take_weights(model, content, source)
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
        if not key.startswith((f'{_WEIGHTS}.', f'{_FIXED}.'))
    }
    notes = {
        **{'settings': content.settings, 'chosen': content.chosen},
        'remarks': content.remarks,
    }
    if content.provenance is not None:
        notes['provenance'] = content.provenance
    model.take_learned(notes, learned, source)
    return model


def plain_config(value: Any) -> Any:
    """Return a config as JSON can hold it, classes by registered names.

    Raises:
        ModelFileError: If it holds a module.
    """
    if isinstance(value, nn.Module):
        raise ModelFileError(
            f'the model was made around a {type(value).__name__}, which a '
            'file cannot describe: build it of a config'
        )
    if isinstance(value, type):
        return f'{value.__module__.partition(".")[0]}.{value.__name__}'
    if isinstance(value, Mapping):
        made = {str(k): plain_config(v) for k, v in value.items()}
        kind = made.get('type')
        if isinstance(kind, str) and '.' not in kind:
            own = plain_config(MODELS.get(kind))
            if str(own).startswith(f'{SCOPE}.'):
                made['type'] = own
        return made
    if isinstance(value, (list, tuple)):
        return [plain_config(item) for item in value]
    return json.loads(json.dumps(value, default=str))


def _by_digest(
    parts: Mapping[str, nn.Module],
) -> dict[str, tuple[list[str], nn.Module]]:
    found: dict[str, tuple[list[str], nn.Module]] = {}
    for place, module in parts.items():
        digest = digest_tensors(module.state_dict())
        found.setdefault(digest, ([], module))[0].append(place)
    return found


def _at(config: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return a part of a config by its dotted place."""
    node: Any = config
    for name in place.split('.') if place else ():
        node = node[int(name)] if isinstance(node, list) else node[name]
    return node


def _source(config: Mapping[str, Any], place: str) -> tuple[str, bool]:
    """Say where a part's weights come from, and whether from a package."""
    outer, _, last = place.rpartition('.')
    node = _at(config, place)
    above = _at(config, outer) if last == 'backbone' else {}
    given = [above.get('checkpoint')]
    given += [node.get(key) for key in ('checkpoint', 'weights', 'pretrained')]
    name = str(next((text for text in given if text), 'the model itself'))
    return name, name.startswith(PACKAGE)


def _licence(name: str, is_package: bool) -> str:
    if is_package:
        return licence_of(name.removeprefix(PACKAGE))
    return 'not known, ask who made them'


def _packages(config: Any) -> Iterable[str]:
    """Find the packages whose weights a config asks for."""
    if isinstance(config, Mapping):
        name = config.get('weights')
        if isinstance(name, str) and name.startswith(PACKAGE):
            yield name.removeprefix(PACKAGE)
        for value in config.values():
            yield from _packages(value)
    elif isinstance(config, list):
        for item in config:
            yield from _packages(item)


def _without_packages(
    config: dict[str, Any], weights: Sequence[WeightsOf]
) -> dict[str, Any]:
    """Ask no package for weights that the file has."""
    bare = json.loads(json.dumps(config))
    for part in weights:
        for place in part.parts if part.stored else ():
            _at(bare, place).pop('weights', None)
    return bare


def _places(config: Mapping[str, Any], above: str = '') -> list[str]:
    """Return what :meth:`frozen` of a model of a config names."""
    if 'members' in config:
        return [
            place
            for i, member in enumerate(config['members'])
            for place in _places(member, f'{above}members.{i}.')
        ]
    names = [key for key in ('teacher', 'backbone') if key in config]
    return [f'{above}{name}'.rstrip('.') for name in names or ['']]


def _check_places(
    config: Mapping[str, Any], weights: Sequence[WeightsOf], source: str
) -> None:
    expected = sorted(_places(config))
    named = sorted(place for part in weights for place in part.parts)
    if named != expected:
        raise ModelFileError(
            f'{source}: expected weights of {", ".join(expected)}, got those '
            f'of {", ".join(named)[:200]!a}; copy the file again, or fit the '
            'model anew'
        )


def _measured_by(
    content: ModelFile, config: Mapping[str, Any]
) -> dict[str, Tensor]:
    """Return tensors that bound what building may make, once a part."""
    bounds = dict(content.tensors)
    for i, part in enumerate(content.weights):
        state = part_of(content.tensors, f'{_WEIGHTS}.{i}')
        for place in part.parts:
            bounds |= {f'{place} {key}': v for key, v in state.items()}
    for i, name in enumerate(_packages(config)):
        state = package_state(name)
        bounds |= {f'{i} {name} {key}': v for key, v in state.items()}
    return bounds


def _take_weights(
    model: AnomalyModel, content: ModelFile, source: str
) -> None:
    frozen = model.frozen()
    for i, part in enumerate(content.weights):
        for place in part.parts:
            if part.stored:
                state = part_of(content.tensors, f'{_WEIGHTS}.{i}')
                load(frozen[place], state, EXACT, source, log=False)
            if digest_tensors(frozen[place].state_dict()) != part.digest:
                raise ModelFileError(
                    f'{source} was made with other weights of {part.source}: '
                    'install the version of the package that it was made '
                    f'with ({", ".join(PACKAGES)}), or fit the model anew'
                    if not part.stored
                    else f'{source}: weights of {part.source} are damaged; '
                    'copy the file again, or fit the model anew'
                )


def _comparable(settings: Any) -> Any:
    """Return settings without what says where weights come from."""
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
