"""One file for each model that predicts: its format, writing and reading.

What a file says is checked before anything is built, and no file decides which
code runs. Stands on ``datasets``, ``models``, ``provenance``, ``weights``.
"""

from mmcvgssl.model_file.load import (
    LoadedModel,
    build_model,
    load_model,
    loaded_model,
)
from mmcvgssl.model_file.model_file import (
    ModelFile,
    ModelFileError,
    WeightsOf,
    check_name,
    is_model_file,
)
from mmcvgssl.model_file.steps import prediction_steps

__all__ = [
    'LoadedModel',
    'ModelFile',
    'ModelFileError',
    'WeightsOf',
    'build_model',
    'check_name',
    'is_model_file',
    'load_model',
    'loaded_model',
    'prediction_steps',
]
