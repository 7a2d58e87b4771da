"""Checks of the models that a file describes, before they are built."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import open_clip

from mmcvgssl.models import anomaly, teachers
from mmcvgssl.models.classifiers import ProbeClassifier
from mmcvgssl.registry import SCOPE
from mmcvgssl.weights.packages import PACKAGES
from mmcvgssl.weights.plain_values import (
    MOST,
    check_depth,
    check_plain,
    refuse,
)
from mmcvgssl.weights.safe_config import ORIGINS, check_backbone


def _by_name(*kinds: type) -> dict[str, type]:
    return {f'{SCOPE}.{kind.__name__}': kind for kind in kinds}


_MODELS = _by_name(
    anomaly.MahalanobisAD,
    anomaly.PaDiM,
    anomaly.KeAD,
    anomaly.MapEnsemble,
    anomaly.MuSc,
    anomaly.OneClassDetector,
    anomaly.PatchCore,
)
_TEACHERS = _by_name(
    teachers.HostTeacher, teachers.OpenCLIPTeacher, teachers.TimmTeacher
)
_CLASSIFIERS = _by_name(ProbeClassifier)
# of constructors, what no file chooses: modules, folders, and weights
_FORBIDDEN = {
    *('allow_random', 'cache_dir', 'clip', 'init_backbone', 'init_cfg'),
    *('tokenizer', 'tower'),
}
# seeds and sizes of samples; what is built is bounded by the file's tensors
_LARGEST = 1 << 32
_PREPROCESSOR = ('type', 'mean', 'std', 'bgr_to_rgb', 'rgb_to_bgr')


def check_model(
    config: Any, source: str, key_path: str = 'model'
) -> dict[str, Any]:
    """Check a file's config of an anomaly model, at every depth.

    Args:
        config: The config.
        source: The file, for messages.
        key_path: Dotted keys of the config in the file.

    Returns:
        The config, without what says where weights come from, unless that is
        an installed package.

    Raises:
        UnsafeConfigError: Names what is not allowed and where it stands.
        ModuleNotFoundError: If the package of a type is not installed.
    """
    return _check(config, _MODELS, source, key_path, _LARGEST)


def check_classifier(config: Any, source: str) -> dict[str, Any]:
    """Check a file's config of a classifier; see :func:`check_model`."""
    checked = _check(config, _CLASSIFIERS, source, 'model', MOST)
    if 'num_classes' not in checked or 'in_channels' not in checked:
        refuse(source, 'model', 'num_classes and in_channels', [*checked])
    return checked


def _check(
    config: Any,
    known: Mapping[str, type],
    source: str,
    key_path: str,
    largest: int,
) -> dict[str, Any]:
    check_depth(config, source, key_path)
    kind = _kind(config, known, source, key_path)
    checked: dict[str, Any] = {'type': config['type']}
    for key, value in _options(config, kind, source, key_path).items():
        where = f'{key_path}.{key}'
        if key == 'members':
            if not isinstance(value, list):
                refuse(source, where, 'a list of models', value)
            value = [
                check_model(member, source, f'{where}[{i}]')
                for i, member in enumerate(value)
            ]
        elif key == 'teacher':
            value = _check_teacher(value, source, where)
        elif key == 'backbone':
            value = _check_backbone(value, source, where)
        elif key == 'data_preprocessor':
            value = _check_preprocessor(value, source, where)
        elif key == 'model_name':
            _check_clip(value, source, where)
        elif key == 'knowledge':  # texts are checked when they are read
            if not isinstance(value, Mapping):
                refuse(source, where, 'what is known of each category', value)
        else:
            check_plain({key: value}, source, key_path, largest=largest)
        checked[key] = value
    return checked


def _kind(
    config: Any, known: Mapping[str, type], source: str, key_path: str
) -> type:
    name = config.get('type') if isinstance(config, Mapping) else config
    if not isinstance(name, str) or name not in known:
        refuse(source, f'{key_path}.type', f'one of {", ".join(known)}', name)
    return known[name]


def _options(
    config: Mapping[str, Any], kind: type, source: str, key_path: str
) -> dict[str, Any]:
    """Return the options of a constructor, without origins of weights."""
    known = {*inspect.signature(kind).parameters} - _FORBIDDEN - {'kwargs'}
    if kind in _MODELS.values():
        known |= {*inspect.signature(anomaly.AnomalyModel).parameters}
        known -= {'settings', *_FORBIDDEN}
    options = {}
    for key, value in config.items():
        if key == 'type':
            continue
        if key not in known:
            refuse(source, key_path, f'options of {kind.__name__}', key)
        if key in ORIGINS and not _is_package(value):
            continue
        options[key] = value
    return options


def _check_teacher(config: Any, source: str, key_path: str) -> dict[str, Any]:
    kind = _kind(config, _TEACHERS, source, key_path)
    checked: dict[str, Any] = {'type': config['type']}
    for key, value in _options(config, kind, source, key_path).items():
        where = f'{key_path}.{key}'
        if key == 'backbone':
            value = check_backbone(value, source, where)
        elif key == 'model_name' and kind is teachers.OpenCLIPTeacher:
            _check_clip(value, source, where)
        else:
            check_plain({key: value}, source, key_path, texts=key == 'weights')
        checked[key] = value
    return checked


def _check_backbone(config: Any, source: str, key_path: str) -> dict[str, Any]:
    checked = check_backbone(config, source, key_path)
    if _is_package(config.get('weights')):
        checked['weights'] = config['weights']
    return checked


def _check_preprocessor(
    config: Any, source: str, key_path: str
) -> dict[str, Any]:
    expected = 'mmengine.ImgDataPreprocessor with mean and std'
    if (
        not isinstance(config, Mapping)
        or config.get('type') != 'mmengine.ImgDataPreprocessor'
        or not {*config} <= {*_PREPROCESSOR}
    ):
        refuse(source, key_path, expected, config)
    check_plain(config, source, key_path)
    return dict(config)


def _check_clip(name: Any, source: str, key_path: str) -> None:
    known = open_clip.list_models()
    if not isinstance(name, str) or name not in known:
        refuse(source, key_path, 'an architecture of open_clip', name)


def _is_package(value: Any) -> bool:
    return isinstance(value, str) and (
        value.removeprefix('package:') in PACKAGES
        and value.startswith('package:')
    )
