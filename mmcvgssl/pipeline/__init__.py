"""All stages from unlabelled images to a detector, one after another.

A stage calls a function of ``apis``, or is a process of its own. What a stage
depends on decides whether its earlier result stays. Stands on ``apis``,
``datasets``, ``maps``, ``models``, ``provenance``, ``runner``,
``visualization``, ``weights``.
"""

from mmcvgssl.pipeline.inputs import Inputs, read_inputs
from mmcvgssl.pipeline.plan import Planned
from mmcvgssl.pipeline.run import Pipeline, StageError
from mmcvgssl.pipeline.stage import Stage

__all__ = [
    'Inputs',
    'Pipeline',
    'Planned',
    'Stage',
    'StageError',
    'read_inputs',
]
