"""Weights of frozen networks in a model file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from mmcvgssl.model_file.model_file import ModelFile, ModelFileError, WeightsOf
from mmcvgssl.models.anomaly.fitted_state import part_of
from mmcvgssl.provenance import digest_tensors
from mmcvgssl.registry import SCOPE
from mmcvgssl.weights import EXACT, load
from mmcvgssl.weights.packages import PACKAGES, licence_of, package_state
from mmcvgssl.weights.safe_config import registered_in

PACKAGE = 'package:'
WEIGHTS = 'weights'


def describe(
    parts: Mapping[str, nn.Module],
    config: Mapping[str, Any],
    whole: bool = False,
) -> tuple[list[WeightsOf], dict[str, Tensor], list[str]]:
    """Describe frozen networks; networks of equal weights once.

    Args:
        parts: Networks by their dotted keys in the config; '' is the whole.
        config: Plain; says where weights come from.
        whole: Store the weights of installed packages, too.

    Returns:
        Where they come from, the tensors that a file has to hold, and whose
        terms hold.
    """
    weights: list[WeightsOf] = []
    tensors: dict[str, Tensor] = {}
    terms = []
    for digest, (parts_of, module) in _by_digest(parts).items():
        name, is_package = _source(config, parts_of[0])
        stored = whole or not is_package
        if stored:
            at = f'{WEIGHTS}.{len(weights)}'
            for key, value in module.state_dict().items():
                tensors[f'{at}.{key}'] = value
        weights.append(WeightsOf(parts_of, digest, name, stored))
        terms.append(f'weights of {name}: {_licence(name, is_package)}')
    return weights, tensors, terms


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
            # looked up without importing a module of that name
            own = registered_in(SCOPE, 'MODELS', kind)
            if own is not None:
                made['type'] = f'{SCOPE}.{own.__name__}'
        return made
    if isinstance(value, (list, tuple)):
        return [plain_config(item) for item in value]
    return json.loads(json.dumps(value, default=_plain_value))


def _plain_value(value: Any) -> Any:
    """Convert a path or a number of NumPy or torch for JSON."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (np.generic, np.ndarray, Tensor)):
        return value.tolist()
    raise ModelFileError(
        f'the config holds a {type(value).__name__}, {value!r:.60}, which a '
        'file cannot describe: give plain numbers, texts, lists and dicts'
    )


def _by_digest(
    parts: Mapping[str, nn.Module],
) -> dict[str, tuple[list[str], nn.Module]]:
    found: dict[str, tuple[list[str], nn.Module]] = {}
    for keys, module in parts.items():
        digest = digest_tensors(module.state_dict())
        found.setdefault(digest, ([], module))[0].append(keys)
    return found


def _at(config: Mapping[str, Any], keys: str) -> dict[str, Any]:
    """Return a part of a config by its dotted keys."""
    node: Any = config
    for name in keys.split('.') if keys else ():
        node = node[int(name)] if isinstance(node, list) else node[name]
    return node


def _source(config: Mapping[str, Any], keys: str) -> tuple[str, bool]:
    """Return the source of a part's weights, and whether it is a package."""
    outer, _, last = keys.rpartition('.')
    node = _at(config, keys)
    above = _at(config, outer) if last == 'backbone' else {}
    given = [above.get('checkpoint')]
    given += [node.get(key) for key in ('checkpoint', 'weights', 'pretrained')]
    named = (text for text in given if isinstance(text, str) and text)
    name = next(named, 'the model itself')
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


def without_packages(
    config: dict[str, Any], weights: Sequence[WeightsOf]
) -> dict[str, Any]:
    """Return a config without packages whose weights the file has."""
    bare = json.loads(json.dumps(config))
    for part in weights:
        for keys in part.parts if part.stored else ():
            _at(bare, keys).pop('weights', None)
    return bare


def check_parts(
    expected: Sequence[str], weights: Sequence[WeightsOf], source: str
) -> None:
    """Check that a file describes the weights of exactly these parts.

    Args:
        expected: Dotted keys of the config.
        weights: Weights of the file.
        source: The file, for messages.

    Raises:
        ModelFileError: If it does not.
    """
    named = sorted(keys for part in weights for keys in part.parts)
    if named != sorted(expected):
        raise ModelFileError(
            f'{source}: expected weights of {", ".join(sorted(expected))}, '
            f'got those of {", ".join(named)[:200]!a}; copy the file again, '
            'or fit the model anew'
        )


def check_tensors(content: ModelFile, source: str, *others: str) -> None:
    """Check that a file has the tensors of its weights and other parts.

    Args:
        content: Content of the file.
        source: The file, for messages.
        *others: Names of the other parts.

    Raises:
        ModelFileError: If it has more.
    """
    known = [
        f'{WEIGHTS}.{i}'
        for i, part in enumerate(content.weights)
        if part.stored
    ]
    starts = tuple(f'{name}.' for name in (*known, *others))
    left = [key for key in content.tensors if not key.startswith(starts)]
    if left:
        raise ModelFileError(
            f'{source}: expected tensors of {", ".join((*known, *others))} '
            f'alone, got {", ".join(left)[:200]!a}, too; write the file anew'
        )


def measured_by(
    content: ModelFile, config: Mapping[str, Any]
) -> dict[str, Tensor]:
    """Return tensors whose sizes limit the networks that are built."""
    bounds = dict(content.tensors)
    for i, part in enumerate(content.weights):
        state = part_of(content.tensors, f'{WEIGHTS}.{i}')
        for keys in part.parts:
            bounds |= {f'{keys} {key}': v for key, v in state.items()}
    for i, name in enumerate(_packages(config)):
        state = package_state(name)
        bounds |= {f'{i} {name} {key}': v for key, v in state.items()}
    return bounds


def take_weights(
    parts: Mapping[str, nn.Module], content: ModelFile, source: str
) -> None:
    """Load the weights of a file, and check those of other sources.

    Args:
        parts: Networks by dotted keys.
        content: Content of the file.
        source: The file, for messages.

    Raises:
        ModelFileError: If weights are others than the file was made with.
        mmcvgssl.weights.KeyMismatchError: If they do not fit.
    """
    for i, part in enumerate(content.weights):
        for keys in part.parts:
            if part.stored:
                state = part_of(content.tensors, f'{WEIGHTS}.{i}')
                load(parts[keys], state, EXACT, source, log=False)
            if digest_tensors(parts[keys].state_dict()) != part.digest:
                raise ModelFileError(
                    f'{source} was made with other weights of {part.source}: '
                    'install the version of the package that it was made '
                    f'with ({", ".join(PACKAGES)}), or fit the model anew'
                    if not part.stored
                    else f'{source}: weights of {part.source} are damaged; '
                    'copy the file again, or fit the model anew'
                )
