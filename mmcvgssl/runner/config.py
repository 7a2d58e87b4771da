"""Configs from files and the command line, checked before work starts."""

from __future__ import annotations

import copy
import difflib
from pathlib import Path
from typing import Any

import torch
import yaml
from mmengine.config import Config

from mmcvgssl.compat import require
from mmcvgssl.compat.config_references import (
    is_behind_reference,
    literal,
    references_left,
    resolve,
    take_defaults,
)
from mmcvgssl.registry import SCOPE
from mmcvgssl.runner.config_reach import (
    Setting,
    check_file_settings,
    check_option_reach,
    check_setting_keys,
    keys_of_name,
    read_settings,
)
from mmcvgssl.runner.option_names import check_option_names, check_sections
from mmcvgssl.runner.options import type_options
from mmcvgssl.runner.workers import settle_workers

# errors of running a file that is no valid config
_BROKEN = (
    *(ArithmeticError, AttributeError, LookupError, NameError),
    *(SyntaxError, TypeError, ValueError),
)
# top-level names that mmengine's Runner or the tools read
_RUNNER_KEYS = frozenset(
    {
        *('model', 'work_dir', 'load_from', 'resume', 'launcher'),
        *('train_dataloader', 'val_dataloader', 'test_dataloader'),
        *('train_cfg', 'val_cfg', 'test_cfg', 'optim_wrapper'),
        *('val_evaluator', 'test_evaluator', 'param_scheduler'),
        *('default_hooks', 'custom_hooks', 'data_preprocessor', 'env_cfg'),
        *('auto_scale_lr', 'log_processor', 'log_level', 'visualizer'),
        *(
            'default_scope',
            'randomness',
            'experiment_name',
            'sync_bn',
            'views',
        ),
        *('model_wrapper_cfg', 'find_unused_parameters', 'compile'),
        *('check_images', 'max_unreadable', 'image_cache'),
        *('depth_range', 'page', 'max_pixels', 'tile', 'overlap'),
    }
)
# top-level names that some tools read
_TOOL_KEYS = frozenset(
    {
        *('fit_cfg', 'fit_dataloader', 'map_cfg', 'few_shot', 'detector'),
        'stages',
    }
)
_READ = _RUNNER_KEYS | _TOOL_KEYS


def load_config(
    path: str | Path, options: dict[str, Any] | None = None
) -> Config:
    """Read a config file and merge options from the command line.

    A text such as ``'${data_root}'`` in a file stands for the setting
    ``data_root`` at its top, whether a base, the file or an option says what
    that is; a value in its stead, from a file or an option for the nested
    key, counts more. Options are values, never references. A setting that
    nothing sets is that of ``defaults``, a dict at the top: so a recipe leaves
    settings to a data set that is a base beside it. Loaders without workers
    have none of what needs workers.

    Args:
        path: Config file.
        options: Dotted keys and values; those of the command line get the
            type that the config holds, see :func:`type_options`.

    Raises:
        FileNotFoundError: If the file does not exist.
        ImportError: If a base config needs a package that is missing.
        KeyError: If nothing reads an option, or a part of the file, by its
            name.
        ValueError: If the file is no Python in UTF-8, what it sets reaches
            nothing, a reference leads nowhere, or an option of the command
            line cannot be read or would not reach all.

    Example:
        >>> cfg = load_config('train.py', {'train_dataloader.batch_size': 2})
        >>> cfg.train_dataloader.batch_size
        2

        A setting reaches what refers to it:

        >>> text = "view_size = 224; few_shot = dict(view_size='${view_size}')"
        >>> size = Path('own.py').write_text(text)
        >>> load_config('own.py', {'view_size': 96}).few_shot.view_size
        96
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'no config file {path}')
    _require_hosts(path)
    if path.suffix in ('.yaml', '.yml'):
        _check_yaml(path)
    try:
        with references_left():
            cfg = Config.fromfile(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f'{path}: the file, or one that its bases name, is missing: '
            f'{error.filename or error}'
        ) from error
    except _BROKEN as error:
        raise ValueError(
            f'{path}: expected a config in Python, but in it or in one of '
            f'its bases: {type(error).__name__}: {error}'
        ) from error
    take_defaults(cfg._cfg_dict)
    known = _RUNNER_KEYS | set(cfg.keys())
    check_sections(cfg._cfg_dict, _READ)
    settings = read_settings(path)
    check_file_settings(settings, cfg._cfg_dict, _READ)
    for key in options or ():
        name = key.split('.')[0]
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3)
            mean = keys_of_name(name, cfg._cfg_dict, _READ)
            mean = mean or ' or '.join(near)
            hint = f'; did you mean {mean}?' if mean else ''
            raise KeyError(f'{path.name} has no option {name!r}{hint}')
    options = _merge(cfg, options or {}, settings)
    _drop_own_scope(cfg._cfg_dict)
    settle_workers(cfg, options)
    return cfg


def use_amp(cfg: Config) -> None:
    """Switch on mixed precision: float16 on an accelerator, else bfloat16.

    A device that only emulates bfloat16 stays in float32.

    Example:
        >>> cfg = load_config('train.py')
        >>> use_amp(cfg)
        >>> cfg.optim_wrapper.type in (
        ...     'AmpOptimWrapper',
        ...     'mmcvgssl.AutocastOptimWrapper',
        ... )
        True
    """
    wrapper = cfg.optim_wrapper
    if wrapper.get('type', 'OptimWrapper').endswith('AutocastOptimWrapper'):
        wrapper.pop('enabled', None)
    elif torch.cuda.is_available():
        wrapper.type = 'AmpOptimWrapper'
        wrapper.setdefault('loss_scale', 'dynamic')
    else:
        wrapper.type = 'mmcvgssl.AutocastOptimWrapper'


def _merge(
    cfg: Config, options: dict[str, Any], settings: list[Setting]
) -> dict[str, Any]:
    """Merge options and resolve references; return the options as typed."""
    values = copy.deepcopy(cfg._cfg_dict)
    resolve(values, missing=True)
    options = type_options(options, values)
    check_option_names(options, values)
    check_option_reach(options, settings, cfg._cfg_dict, values, _READ)
    later = {
        key: value
        for key, value in options.items()
        if is_behind_reference(key, cfg._cfg_dict)
    }
    cfg.merge_from_dict(
        {k: literal(v) for k, v in options.items() if k not in later}
    )
    check_setting_keys(cfg._cfg_dict, _READ)
    resolve(cfg._cfg_dict)
    cfg.merge_from_dict(later)
    return options


def _drop_own_scope(node: Any) -> None:
    """Undo the scope that mmengine notes for what ``mmcvgssl::`` inherits.

    Types in this package's configs name their scope themselves, and
    mmengine hands the note on to functions that do not take it.
    """
    if isinstance(node, dict):
        if node.get('_scope_') == SCOPE:
            del node['_scope_']
        for value in node.values():
            _drop_own_scope(value)
    elif isinstance(node, (list, tuple)):
        for item in node:
            _drop_own_scope(item)


def _check_yaml(path: Path) -> None:
    """Refuse YAML that names Python's own objects: mmengine makes them.

    Raises:
        ValueError: If it, or a base of it, does, or is no YAML.
    """
    try:
        content = yaml.safe_load(path.read_bytes())
    except (yaml.YAMLError, RecursionError) as error:
        text = ' '.join(str(error).split())
        raise ValueError(
            f'{path}: expected plain values in YAML, got {text}'
        ) from error
    bases = content.get('_base_') if isinstance(content, dict) else None
    for base in [bases] if isinstance(bases, str) else bases or ():
        file = path.parent / str(base)
        if file.suffix in ('.yaml', '.yml') and file.is_file():
            _check_yaml(file)


def _require_hosts(path: Path) -> None:
    """Name the missing extra before mmengine's less helpful error."""
    data = path.read_bytes()
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = '\ufeff'
    if text.startswith('\ufeff'):
        raise ValueError(
            f'{path}: expected a config in UTF-8 without a byte order mark, '
            f'got other bytes ({data[:4].hex(" ")} …): save it so'
        )
    for package in ('mmyolo', 'mmdet'):
        if f'{package}::' in text or f"'{package}." in text:
            require(package)
