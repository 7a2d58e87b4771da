"""Checks of configs in files: plain values and known names alone.

A model file and a checkpoint come from others. mmengine's registries import
and call any dotted name, so names are looked up here before anything is
built. A config that the user passes himself is not checked.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mmcvgssl.compat import require
from mmcvgssl.weights.plain_values import (
    check_depth,
    check_plain,
    matches,
    refuse,
    walk,
)

SCOPES = ('mmcvgssl', 'mmpretrain', 'mmdet', 'mmyolo', 'mmengine')
# Packages whose classes are backbones, and layers within them.
BACKBONES = tuple(f'{host}.models.backbones' for host in SCOPES[:4])
LAYERS = (
    *BACKBONES,
    *('mmcvgssl.models.layers', 'mmpretrain.models.utils'),
    *('mmdet.models.layers', 'mmyolo.models.layers'),
    *('mmyolo.models.plugins', 'mmcv.cnn.bricks', 'mmcv.ops'),
    *('torch.nn.modules', 'mmengine.utils.dl_utils'),
)
INITIALIZERS = ('mmengine.model', 'mmcvgssl.models', 'mmdet.models')
# Registered elsewhere than the other backbones, by their own names.
MORE_BACKBONES = frozenset(
    {
        *('mmpretrain.MAEViT', 'mmpretrain.MoCoV3ViT'),
        'mmpretrain.SimMIMSwinTransformer',
    }
)
# Steps from an image file to the input of a detector.
TRANSFORMS = (
    *('LoadImage', 'LoadImageFromFile', 'LoadMask', 'Resize', 'ResizeEdge'),
    *('SquareResize', 'CenterCrop', 'Pad', 'PackInputs', 'FastPackInputs'),
    *('FixScaleResize', 'FixShapeResize', 'YOLOv5KeepRatioResize'),
    *('LetterResize', 'PackDetInputs', 'TiledSteps'),
)
# Where weights come from: a file holds its own, so these are not looked at.
ORIGINS = {
    'init_cfg': None,
    'pretrained': None,
    'checkpoint': None,
    'checkpoint_path': '',
    'weights': None,
}
_NAME = re.compile(r'[A-Za-z_][A-Za-z0-9_]*')


def check_backbone(
    cfg: Any, source: str, key_path: str = 'backbone'
) -> dict[str, Any]:
    """Check a file's config of a backbone, at every depth.

    Args:
        cfg: The config.
        source: The file, for messages.
        key_path: Dotted keys of the config in the file.

    Returns:
        The config without what says where its weights come from.

    Raises:
        UnsafeConfigError: Names what is not allowed and where it stands.
        ModuleNotFoundError: If the package of a type is not installed.
    """
    if not isinstance(cfg, Mapping):
        refuse(source, key_path, 'a config with a type', cfg)
    check_depth(cfg, source, key_path)
    bare = without_origins(cfg, source, key_path)
    check_plain(bare, source, key_path, texts=False)
    scope = _scope(bare, 'mmpretrain', source, key_path)
    _check_types(bare, source, key_path, scope, top=True)
    return bare


def check_scope(name: Any, source: str, key_path: str) -> str:
    """Check that a scope is one of the known packages; return it.

    Raises:
        UnsafeConfigError: If it is another.
    """
    if not isinstance(name, str) or name not in SCOPES:
        expected = f'one of {", ".join(SCOPES)}'
        refuse(source, f'{key_path}._scope_', expected, name)
    return name


def check_transforms(steps: Any, source: str) -> list[dict[str, Any]]:
    """Check a file's list of transforms; only reading and resizing is known.

    Raises:
        UnsafeConfigError: Names what is not allowed and where it stands.
    """
    if not isinstance(steps, (list, tuple)):
        refuse(source, 'pipeline', 'a list of transforms', steps)
    check_plain(steps, source, 'pipeline')
    for where, key, item, _ in walk(steps, 'pipeline'):
        if isinstance(item, Mapping):
            kind = item.get('type')
            nested = re.fullmatch(r'pipeline\[\d+\]', where) is None
            if kind is None and nested:
                continue
            look_up(
                kind,
                'TRANSFORMS',
                lambda registered: registered.__name__ in TRANSFORMS,
                'mmpretrain',
                source,
                f'{where}.type',
                f'one of {", ".join(TRANSFORMS)}',
            )
        for name in ('backend_args', 'file_client_args', '_scope_'):
            if isinstance(item, Mapping) and item.get(name) is not None:
                key_path = f'{where}.{name}'
                refuse(source, key_path, 'nothing', item[name])
        if key == 'scale_factor':
            for _, _, number, _ in walk(item, ''):
                if isinstance(number, (int, float)) and number > 16:
                    refuse(source, where, 'a factor up to 16', number)
    if not all(isinstance(step, Mapping) for step in steps):
        refuse(source, 'pipeline', 'transforms with a type', steps)
    return [dict(step) for step in steps]


def without_origins(value: Any, source: str, key_path: str) -> Any:
    """Leave out where weights come from; it must be sound all the same.

    Raises:
        UnsafeConfigError: If it is not.
    """
    if isinstance(value, Mapping):
        remaining = {}
        for key, item in value.items():
            where = f'{key_path}.{key}'
            if key in ORIGINS:
                _check_initial(item, source, where)
            else:
                remaining[key] = without_origins(item, source, where)
        return remaining
    if isinstance(value, (list, tuple)):
        made = [
            without_origins(item, source, f'{key_path}[{i}]')
            for i, item in enumerate(value)
        ]
        return type(value)(made)
    return value


def _check_initial(value: Any, source: str, key_path: str) -> None:
    for where, _, item, _ in walk(value, key_path):
        if isinstance(item, Mapping) and 'type' in item:
            look_up(
                item['type'],
                'WEIGHT_INITIALIZERS',
                lambda c: is_of(c, INITIALIZERS),
                'mmengine',
                source,
                f'{where}.type',
                'a known initialisation',
            )


def _scope(
    cfg: Mapping[str, Any], scope: str, source: str, key_path: str
) -> str:
    return check_scope(cfg.get('_scope_', scope), source, key_path)


def _check_types(
    value: Any, source: str, key_path: str, scope: str, top: bool = False
) -> None:
    if isinstance(value, Mapping):
        scope = _scope(value, scope, source, key_path)
        if top or 'type' in value:
            found = look_up(
                value.get('type'),
                'MODELS',
                _is_backbone if top else _is_layer,
                scope,
                source,
                f'{key_path}.type',
                'a backbone of a host' if top else 'a layer of a host',
            )
            scope = found if top else scope
        if 'norm_layer' in value:  # a name that is looked up as types are
            look_up(
                value['norm_layer'],
                'MODELS',
                _is_layer,
                scope,
                source,
                f'{key_path}.norm_layer',
                'a layer of a host',
            )
        for key, item in value.items():
            # the backbone in a WithSSPCAB is one itself
            inner = top and key == 'backbone'
            _check_types(item, source, f'{key_path}.{key}', scope, inner)
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            _check_types(item, source, f'{key_path}[{i}]', scope)


def look_up(
    name: Any,
    registry: str,
    allowed: Callable[[Any], bool],
    scope: str,
    source: str,
    key_path: str,
    expected: str,
) -> str:
    """Find a name in the registries of its scope; return the scope.

    Raises:
        UnsafeConfigError: If it is none, or names something else.
    """
    expected = f'{expected}, as registered in {", ".join(SCOPES)},'
    if not isinstance(name, str):
        refuse(source, key_path, expected, name)
    first, dot, rest = name.rpartition('.')
    scope = first if dot else scope
    if scope not in SCOPES or not matches(_NAME, rest):
        refuse(source, key_path, expected, name)
    scopes = [scope] if dot else list(dict.fromkeys([scope, *SCOPES[:2]]))
    found = [
        registered
        for registered in (registered_in(s, registry, rest) for s in scopes)
        if registered is not None
    ]
    root = registered_in('mmengine', registry, rest)
    if not found and root is not None:
        found = [root]
    if not found or not all(allowed(registered) for registered in found):
        refuse(source, key_path, expected, name)
    return scope


def find_registered(name: Any, registry: str, scope: str) -> Any:
    """Return what a name stands for in a scope, as mmengine looks it up.

    Args:
        name: Plain, or with its scope before a dot.
        registry: Its name in the hosts, such as ``'MODELS'``.
        scope: Scope of a plain name.

    Returns:
        None if it is not registered, or is no name.

    Raises:
        ModuleNotFoundError: If the scope's package is not installed.
    """
    if not isinstance(name, str):
        return None
    first, dot, rest = name.rpartition('.')
    scope = first if dot else scope
    if scope not in SCOPES or not matches(_NAME, rest):
        return None
    found = registered_in(scope, registry, rest)
    return (
        registered_in('mmengine', registry, rest) if found is None else found
    )


def registered_in(scope: str, registry: str, name: str) -> Any:
    """Return what a scope's registry has by a name, or None.

    Raises:
        ModuleNotFoundError: If the scope's package is not installed.
    """
    if scope == 'mmyolo':
        require('mmyolo')
    module = importlib.import_module(f'{scope}.registry')
    table = getattr(module, registry, None)
    if table is None:
        return None
    table.import_from_location()
    return table.module_dict.get(name)


def is_of(registered: Any, packages: Sequence[str]) -> bool:
    """Whether something is defined in one of some packages."""
    module = getattr(registered, '__module__', '')
    return any(module == p or module.startswith(f'{p}.') for p in packages)


def _is_backbone(registered: Any) -> bool:
    scope = getattr(registered, '__module__', '').partition('.')[0]
    name = f'{scope}.{getattr(registered, "__name__", "")}'
    return is_of(registered, BACKBONES) or name in MORE_BACKBONES


def _is_layer(registered: Any) -> bool:
    return is_of(registered, LAYERS)
