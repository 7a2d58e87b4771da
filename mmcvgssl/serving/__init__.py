"""A page in the browser that predicts images, and learns a few labels.

Stands on ``apis``, ``compat``, ``datasets``, ``export``, ``model_file``,
``visualization``.
"""

from mmcvgssl.serving.address import Address
from mmcvgssl.serving.limits import Limits
from mmcvgssl.serving.serve import Server, serve

__all__ = ['Address', 'Limits', 'Server', 'serve']
