"""Learn from unlabelled surface images, find defects from few labels.

Importing the package makes the OpenMMLab hosts importable on today's PyTorch
(see :mod:`mmcvgssl.compat`), so import it before ``mmdet`` or ``mmyolo``. It
imports neither them nor PyTorch.
"""

from mmcvgssl import compat
from mmcvgssl.version import __version__

compat.install()

__all__ = ['__version__', 'compat']
