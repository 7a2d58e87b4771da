"""Let configs inherit from this package as they do from the hosts."""

from __future__ import annotations

from types import ModuleType

from .changes import undo_by


def add_config_scope(config_utils: ModuleType) -> None:
    """Make ``_base_ = 'mmcvgssl::…'`` known to mmengine.

    mmengine has a fixed table of packages whose configs can be inherited.
    """
    table = config_utils.MODULE2PACKAGE
    if 'mmcvgssl' not in table:
        table['mmcvgssl'] = 'mmcvgssl'
        undo_by(lambda: table.pop('mmcvgssl', None))
