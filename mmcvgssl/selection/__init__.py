"""Choosing the images that are worth labelling.

Stands on no other package.
"""

from mmcvgssl.selection.methods import repeated, select, uncertainty

__all__ = ['repeated', 'select', 'uncertainty']
