"""Checks of the detectors that a file describes, before they are built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmcvgssl.weights.plain_values import check_depth, check_plain, refuse
from mmcvgssl.weights.safe_config import (
    LAYERS,
    SCOPES,
    check_backbone,
    check_scope,
    find_registered,
    is_of,
    without_origins,
)

_HOSTS = ('mmdet', 'mmyolo')
DETECTORS = tuple(f'{host}.models.detectors' for host in _HOSTS)
_KINDS = (
    *('necks', 'dense_heads', 'roi_heads', 'seg_heads', 'losses', 'layers'),
    'data_preprocessors',
    *('task_modules.assigners', 'task_modules.coders'),
    *('task_modules.prior_generators', 'task_modules.samplers'),
)
PARTS = (
    *(f'{host}.models.{kind}' for host in _HOSTS for kind in _KINDS),
    *('mmengine.model.base_model.data_preprocessor', *LAYERS),
)
# classes that read files or a hub, for language models and teachers
_FOREIGN = frozenset(
    {
        *('ATSSVLFusionHead', 'GLIP', 'GroundingDINO', 'LAD'),
        'KnowledgeDistillationSingleStageDetector',
    }
)
_NMS = ('nms', 'soft_nms', 'nms_match')
# Names that mmcv looks up by itself, one of them with `eval`.
_BY_KEY = {
    **dict.fromkeys(('nms', 'nms_cfg', 'dqs_cfg'), _NMS),
    'roi_layer': ('RoIAlign', 'RoIPool', 'DeformRoIPoolPack'),
}


def check_detector(
    config: Any, source: str, key_path: str = 'model'
) -> dict[str, Any]:
    """Check a file's config of a detector, at every depth.

    Args:
        config: The config.
        source: The file, for messages.
        key_path: Dotted keys of the config in the file.

    Returns:
        The config, with the scope of its names, without what says where
        weights come from.

    Raises:
        UnsafeConfigError: Names what is not allowed and where it stands.
        ModuleNotFoundError: If the package of a type is not installed.
    """
    if not isinstance(config, Mapping):
        refuse(source, key_path, 'a config with a type', config)
    check_depth(config, source, key_path)
    scope = check_scope(config.get('_scope_', 'mmdet'), source, key_path)
    parts = dict(config)
    backbone = parts.pop('backbone', None)
    if not isinstance(backbone, Mapping):
        refuse(
            source, f'{key_path}.backbone', 'a config with a type', backbone
        )
    checked = check_backbone(
        {'_scope_': scope, **backbone}, source, f'{key_path}.backbone'
    )
    bare = {**without_origins(parts, source, key_path), '_scope_': scope}
    check_plain(bare, source, key_path, texts=False)
    _check_types(bare, source, key_path, scope, top=True)
    return {**bare, 'backbone': checked}


def _check_types(
    value: Any,
    source: str,
    key_path: str,
    scope: str,
    key: str = '',
    top: bool = False,
) -> None:
    if isinstance(value, Mapping):
        scope = check_scope(value.get('_scope_', scope), source, key_path)
        if top or 'type' in value:
            where = f'{key_path}.type'
            _check_type(value.get('type'), source, where, scope, key, top)
        for name, item in value.items():
            _check_types(item, source, f'{key_path}.{name}', scope, name)
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            _check_types(item, source, f'{key_path}[{i}]', scope, key)


def _check_type(
    name: Any, source: str, key_path: str, scope: str, key: str, top: bool
) -> None:
    if key in _BY_KEY:
        if name not in _BY_KEY[key]:
            refuse(source, key_path, f'one of {", ".join(_BY_KEY[key])}', name)
        return
    packages = DETECTORS if top else PARTS
    found = [
        registered
        for table in (('MODELS',) if top else ('MODELS', 'TASK_UTILS'))
        for registered in [find_registered(name, table, scope)]
        if registered is not None
    ]
    allowed = all(
        is_of(registered, packages)
        and not any(base.__name__ in _FOREIGN for base in registered.__mro__)
        for registered in found
    )
    if not found or not allowed:
        what = 'a detector' if top else 'a part of a detector'
        refuse(
            source,
            key_path,
            f'{what}, as registered in {", ".join(SCOPES)},',
            name,
        )
