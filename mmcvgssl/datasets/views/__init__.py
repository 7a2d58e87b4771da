"""Random views whose numbers are drawn apart from their pixels.

Workers draw what the hosts' transforms would draw; the pixels of a whole batch
are then worked out at once, on the device that trains.
"""

from mmcvgssl.datasets.views.canvas import Canvas
from mmcvgssl.datasets.views.drawn_views import Crops, DrawnViews
from mmcvgssl.datasets.views.pasted_views import PastedViews
from mmcvgssl.datasets.views.steps import UnknownStepError

__all__ = ['Canvas', 'Crops', 'DrawnViews', 'PastedViews', 'UnknownStepError']
