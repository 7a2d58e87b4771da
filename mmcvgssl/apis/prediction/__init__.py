"""Predictions of images, by the kind of the model file.

A kind (:class:`PredictionKind`) says how a batch becomes predictions, which
columns they have and how they are drawn; reading, worker processes, files and
resuming are the same for all of them.
"""

from mmcvgssl.apis.prediction.kinds import kind_of
from mmcvgssl.apis.prediction.prediction_kind import Drawing, PredictionKind
from mmcvgssl.predictions import Prediction

__all__ = ['Drawing', 'Prediction', 'PredictionKind', 'kind_of']
