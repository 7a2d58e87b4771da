"""Runs of what a model file holds: maps and tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope

from mmcvgssl.apis.testing import kind_of_test
from mmcvgssl.model_file import LoadedModel, load_model
from mmcvgssl.model_file.anomaly import KIND as ANOMALY
from mmcvgssl.model_file.detector import KIND as DETECTOR
from mmcvgssl.runner.config import load_config
from mmcvgssl.runner.options import type_options
from mmcvgssl.shipped import shipped

# what a Runner of a model file has, by kind: only anomaly models are fitted
RUNTIME, FIT_RUNTIME = '_base_/default_runtime.py', '_base_/anomaly_runtime.py'


def open_model(path: str | Path) -> LoadedModel:
    """Read a model file for a Runner; see :func:`load_model`."""
    init_default_scope('mmpretrain')
    return load_model(path)


def require_maps(loaded: LoadedModel) -> None:
    """Refuse a model that makes no maps.

    Raises:
        ValueError: If it is one.
    """
    if loaded.content.kind != ANOMALY:
        raise ValueError(
            f'expected an anomaly model, got a {loaded.content.kind} in '
            f'{loaded.source}: only anomaly models give maps'
        )


def config_of(
    loaded: LoadedModel, options: dict[str, Any] | None = None
) -> Config:
    """Return the config of a Runner for the model of a file.

    Its ``test_dataloader`` says how images are read, and names none.

    Args:
        loaded: The model.
        options: Settings of the command line.

    Raises:
        ValueError: If one of them is of the model.
    """
    content, kind = loaded.content, kind_of_test(loaded)
    given, later = dict(options or {}), {}
    for key in options or ():
        part = key.partition('.')[0]
        if part == 'model':
            raise ValueError(
                f'{key} cannot be set: the model is as the file holds it; fit '
                'another by mmcvgssl fit'
            )
        if part in ('tile', 'overlap'):
            value = options[key]  # type: ignore[index]
            other = f'fit another by mmcvgssl fit --cfg-options {key}={value}'
            if content.kind == DETECTOR:
                other = f'write another by mmcvgssl export-model --{key} '
                other += str(value)
            raise ValueError(
                f'{key} cannot be set: images are cut into tiles as the file '
                f'says; {other}'
            )
        if part == 'test_dataloader':
            later[key] = given.pop(key)
    runtime = FIT_RUNTIME if content.kind == ANOMALY else RUNTIME
    cfg = load_config(shipped('configs') / runtime, given)
    cfg.default_scope = kind.scope
    cfg.model = ConfigDict(content.model)
    cfg.test_dataloader = kind.loader(dataset=dict(pipeline=kind.steps))
    cfg.test_cfg = ConfigDict()
    cfg.merge_from_dict(type_options(later, cfg._cfg_dict))
    return cfg
