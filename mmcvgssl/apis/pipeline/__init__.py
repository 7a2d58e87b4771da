"""All stages from unlabelled images to a detector."""

from mmcvgssl.apis.pipeline.inputs import Inputs, read_inputs
from mmcvgssl.apis.pipeline.plan import Planned
from mmcvgssl.apis.pipeline.run import Pipeline, StageError
from mmcvgssl.apis.pipeline.stage import Stage

__all__ = [
    'Inputs',
    'Pipeline',
    'Planned',
    'Stage',
    'StageError',
    'read_inputs',
]
