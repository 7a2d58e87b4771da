"""What makes the hosts run on today's PyTorch and with this package.

Stands on no other package.
"""

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
from .quiet_hosts import quieten_hosts

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


def _protect_loading() -> None:
    try:
        from . import safe_load

        safe_load.register_safe_globals()
    except ModuleNotFoundError as error:
        # Without a host there is nothing to protect, and `mmcvgssl.env`
        # still has to run to say what is missing.
        if error.name not in ('mmengine', 'torch', 'numpy'):
            raise
        return
    after_import('mmengine.runner.checkpoint', safe_load.protect_checkpoints)


__all__ = [
    'install',
    'missing_extras',
    'ops_origin',
    'require',
    'uninstall',
]
