"""Let configs inherit from this package as they do from the hosts."""

from __future__ import annotations

from types import ModuleType


def add_config_scope(config_utils: ModuleType) -> None:
    """Make ``_base_ = 'mmcvgssl::…'`` known to mmengine.

    mmengine keeps a fixed table of packages whose configs can be inherited.
    """
    config_utils.MODULE2PACKAGE.setdefault('mmcvgssl', 'mmcvgssl')
