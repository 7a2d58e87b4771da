"""Choosing the images that are worth labelling.

Stands on no other package.
"""

from mmcvgssl.selection.methods import select, uncertainty

__all__ = ['select', 'uncertainty']
