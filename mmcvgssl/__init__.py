"""Learn from unlabelled surface images, find defects from few labels.

Importing the package makes the OpenMMLab hosts importable on today's PyTorch
(see :mod:`mmcvgssl.compat`), so import it before ``mmdet`` or ``mmyolo``.
"""

import random

from mmcvgssl import compat
from mmcvgssl.version import __version__

# rich, which mmengine imports, draws a number when it is imported
_state = random.getstate()
compat.install()
random.setstate(_state)
del _state

__all__ = ['__version__', 'compat']
