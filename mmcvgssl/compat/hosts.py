"""Optional packages: which extra installs what, and who says so."""

from __future__ import annotations

import functools
import importlib.util
import sys
from types import ModuleType
from typing import Any

from .changes import set_attribute
from .import_hook import after_import

# Extra of mmcvgssl: the modules it brings.
EXTRAS: dict[str, tuple[str, ...]] = {
    'yolo': ('mmyolo', 'prettytable', 'albumentations'),
    'demo': ('elpv_dataset',),
    'track': ('tensorboard', 'wandb', 'mlflow'),
    'check': ('imagehash',),
    'export': ('onnx', 'onnxscript', 'onnxruntime', 'openvino'),
    'report': ('plotly', 'jinja2'),
    'serve': ('gradio',),
}


def _found(module: str) -> bool:
    if module in sys.modules:
        return True
    return importlib.util.find_spec(module) is not None


def missing_extras() -> dict[str, str]:
    """Extras of which a module is missing, with the command to install."""
    commands = {}
    for extra, modules in EXTRAS.items():
        missing = [module for module in modules if not _found(module)]
        if missing:
            commands[extra] = f'pip install "mmcvgssl[{extra}]"'
    return commands


def require(package: str) -> None:
    """Check that an optional package can be imported.

    Raises:
        ModuleNotFoundError: If not; the message says what to install.
    """
    if _found(package):
        return
    extra = next((e for e, mods in EXTRAS.items() if package in mods), None)
    if extra is None:
        fix = f'`pip install {package}`'
    else:
        fix = f'`pip install "mmcvgssl[{extra}]"`'
    raise ModuleNotFoundError(
        f'This needs the package `{package}`, which is not installed: {fix}.',
        name=package,
    )


def _require_scope(scope: str | None) -> None:
    if scope == 'mmyolo':
        require(scope)


def _explain_configs(module: ModuleType) -> None:
    """Make ``mmyolo::`` bases and ``from mmyolo...`` name the extra."""
    split = module._get_package_and_cfg_path
    locate = module.get_installed_path

    @functools.wraps(split)
    def explained_split(cfg_path: str) -> Any:
        _require_scope(cfg_path.partition('::')[0])
        return split(cfg_path)

    @functools.wraps(locate)
    def explained_locate(package: str) -> Any:
        _require_scope(package)
        return locate(package)

    set_attribute(module, '_get_package_and_cfg_path', explained_split)
    set_attribute(module, 'get_installed_path', explained_locate)


def _explain_registries(module: ModuleType) -> None:
    """Make types and default scopes of mmyolo name the extra."""
    registry = module.Registry
    get, switch = registry.get, registry.switch_scope_and_registry

    @functools.wraps(get)
    def explained_get(self: Any, key: Any) -> Any:
        if isinstance(key, str) and '.' in key:
            _require_scope(key.partition('.')[0])
        return get(self, key)

    @functools.wraps(switch)
    def explained_switch(self: Any, scope: str | None) -> Any:
        current = module.DefaultScope.get_current_instance()
        _require_scope(scope or getattr(current, 'scope_name', None))
        return switch(self, scope)

    set_attribute(registry, 'get', explained_get)
    set_attribute(registry, 'switch_scope_and_registry', explained_switch)


def explain_missing_hosts() -> None:
    """Have errors about mmyolo say which extra to install.

    Touches the hosts only where mmyolo is missing.
    """
    if _found('mmyolo'):
        return
    after_import('mmengine.config.config', _explain_configs)
    after_import('mmengine.hub.hub', _explain_configs)
    after_import('mmengine.registry.registry', _explain_registries)
