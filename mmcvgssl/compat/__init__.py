"""What makes the hosts run on today's PyTorch and with this package.

Nothing is imported for it: a module is changed when somebody imports it.

Stands on no other package.
"""

from types import ModuleType

from .changes import set_environment, undo_all
from .config_references import resolve_when_read
from .config_scope import add_config_scope
from .ext import ops_origin, provide_ext
from .home import do_without_home
from .hosts import explain_missing_hosts, missing_extras, require
from .import_hook import after_import
from .mmdet import read_by_load_image
from .mmyolo import accept_newer_mmcv
from .multimodal import spare_new_transformers
from .opencv import explain_opencv
from .packages import spare_pkg_resources
from .quiet_hosts import draw_no_numbers, quieten_hosts

_installed = False


def install() -> None:
    """Make the hosts importable; safe to call more than once."""
    global _installed
    if _installed:
        return
    _installed = True
    # its import looks for a newer release, which hangs without a network
    set_environment('NO_ALBUMENTATIONS_UPDATE', '1')
    do_without_home()
    explain_opencv()
    provide_ext()
    accept_newer_mmcv()
    read_by_load_image()
    spare_pkg_resources()
    spare_new_transformers()
    quieten_hosts()
    draw_no_numbers()
    after_import('mmengine.config.utils', add_config_scope)
    after_import('mmengine.config.config', resolve_when_read)
    explain_missing_hosts()
    _protect_loading()


def uninstall() -> None:
    """Undo :func:`install`: the hosts are as their authors left them.

    What a module has taken over while it was installed, such as ops of
    ``mmcv.ops``, stays there until the process ends.
    """
    global _installed
    undo_all()
    _installed = False


def _register_safe_globals(module: ModuleType) -> None:
    from . import safe_load

    safe_load.register_safe_globals()


def _protect_checkpoints(module: ModuleType) -> None:
    from . import safe_load

    safe_load.protect_checkpoints(module)


def _protect_loading() -> None:
    # the import of torch, which `safe_load` needs, takes seconds
    after_import('mmengine.logging', _register_safe_globals)
    after_import('mmengine.runner.checkpoint', _protect_checkpoints)


__all__ = [
    'install',
    'missing_extras',
    'ops_origin',
    'require',
    'uninstall',
]
