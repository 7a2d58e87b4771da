"""The backbone's config in a checkpoint."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmcvgssl.runner.config import load_config
from mmcvgssl.weights.names import HOSTS, scoped_type
from mmcvgssl.weights.safe_config import check_backbone, check_scope

MOST = 1 << 20  # characters of a config
FIX = 'pass the config of the training run (--config CFG)'


def backbone_config(
    checkpoint: Mapping[str, Any],
    config: str | Path | None = None,
    name: str = 'the checkpoint',
) -> dict[str, Any]:
    """Return the backbone's config, its type with the package's name.

    Args:
        checkpoint: Checkpoint; its ``meta`` may hold the config as text, which
            is read as data; no code of it is run.
        config: A config file, which takes precedence.
        name: Name of the checkpoint in messages.

    Raises:
        FileNotFoundError: If the config file is missing.
        ValueError: If no backbone is described, or the checkpoint's config
            names what no file may name.
    """
    top, source = training_config(
        checkpoint, config, name, ('model', 'default_scope')
    )
    model = top.get('model')
    given = model.get('backbone') if isinstance(model, dict) else None
    if not isinstance(given, dict):
        raise ValueError(
            'expected model=dict(backbone=dict(type=...)) in '
            f'{source}, got none; {FIX}'
        )
    backbone = dict(given)
    scope = backbone.pop('_scope_', None) or top.get('default_scope')
    if config is None and '_scope_' in given:
        check_scope(scope, source, 'model.backbone')
    if scope not in HOSTS:
        scope = 'mmpretrain'
    backbone['type'] = scoped_type(backbone, scope)
    if config is None:
        return check_backbone(backbone, source, 'model.backbone')
    return backbone


def training_config(
    checkpoint: Mapping[str, Any],
    config: str | Path | None,
    name: str,
    keys: tuple[str, ...],
) -> tuple[dict[str, Any], str]:
    """Return what is known of the config that a checkpoint was trained by.

    Args:
        checkpoint: Checkpoint; its ``meta`` may hold the config as text, which
            is read as data; no code of it is run.
        config: A config file, which takes precedence.
        name: Name of the checkpoint in messages.
        keys: Settings at the top that are wanted.

    Returns:
        The settings, and what they are called in messages.

    Raises:
        FileNotFoundError: If the config file is missing.
        ValueError: If there is no config, or it cannot be read.
    """
    if config is not None:
        if not Path(config).is_file():
            raise FileNotFoundError(
                f'expected a config in {config}, found no such file'
            )
        try:
            top = load_config(config).to_dict()
        except (LookupError, ValueError) as error:
            raise ValueError(
                f'{config} cannot be read as a config: {error}'
            ) from error
        return top, str(config)
    meta = checkpoint.get('meta')
    text = meta.get('cfg') if isinstance(meta, dict) else None
    if not isinstance(text, str):
        raise ValueError(
            "expected a checkpoint whose meta['cfg'] says what was "
            f'trained, got one without; {FIX}'
        )
    if len(text) > MOST:
        raise ValueError(
            f"expected up to {MOST} characters in {name}'s "
            f"meta['cfg'], got {len(text)}; {FIX}"
        )
    source = f"{name}'s meta['cfg']"
    return literal_config(text, keys, source), source


def literal_config(
    text: str,
    names: tuple[str, ...],
    source: str = "the checkpoint's meta['cfg']",
) -> dict[str, Any]:
    """Read some settings of a dumped config without running it.

    Raises:
        ValueError: If the text is not Python, or a setting is no literal.
    """
    try:
        tree = ast.parse(text)
    except (MemoryError, RecursionError, SyntaxError, ValueError) as error:
        kind = type(error).__name__
        raise ValueError(
            f'{source} is not a config: {str(error)[:200] or kind}; {FIX}'
        ) from error
    found: dict[str, Any] = {}
    for node in tree.body:
        if not isinstance(node, ast.Assign):
            continue
        for name in node.targets:
            if isinstance(name, ast.Name) and name.id in names:
                found[name.id] = _setting(name.id, node.value, source)
    return found


def _setting(name: str, node: ast.expr, source: str) -> Any:
    try:
        return _literal(node)
    except (
        *(ArithmeticError, MemoryError, RecursionError),
        *(TypeError, ValueError),
    ) as error:
        raise ValueError(
            f'expected plain values in {source}, got otherwise '
            f'in `{name}`: {str(error)[:200]}; {FIX}'
        ) from error


def _literal(node: ast.expr) -> Any:
    """Evaluate displays, ``dict(...)`` and names of classes."""
    match node:
        case ast.Call(func=ast.Name(id='dict'), args=args, keywords=words):
            made = {w.arg: _literal(w.value) for w in words}
            for arg in args:
                made = {**_literal(arg), **made}
            return made
        case ast.Dict(keys=keys, values=values):
            pairs = zip(keys, values, strict=True)
            return {_literal(k): _literal(v) for k, v in pairs if k}
        case ast.List(elts=items):
            return [_literal(item) for item in items]
        case ast.Tuple(elts=items):
            return tuple(_literal(item) for item in items)
        case ast.Name() | ast.Attribute():
            # a dumped class, or inf and nan
            dotted = ast.unparse(node)
            return float(dotted) if dotted in ('inf', 'nan') else dotted
    return ast.literal_eval(node)
