"""Gradio without anything that leaves the machine, or stays on it."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from typing import Any

from mmcvgssl.compat.hosts import require


def gradio() -> Any:
    """Import Gradio, which asks and tells nobody anything.

    Raises:
        ModuleNotFoundError: If it is not installed; says how to install it.
    """
    require('gradio')
    if 'gradio' not in sys.modules:
        os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'
        # it makes folders where it is imported
        home = tempfile.mkdtemp(prefix='mmcvgssl-gradio-')
        os.environ.setdefault('GRADIO_TEMP_DIR', home)
        atexit.register(shutil.rmtree, home, ignore_errors=True)
    import gradio

    return gradio
