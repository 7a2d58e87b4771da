"""Predictions of images, by the kind of the model file.

A kind (:class:`PredictionKind`) says how a batch becomes predictions, which
columns they have and how they are drawn; reading, worker processes, files and
resuming are the same for all of them.
"""

from mmcvgssl.apis.prediction.kind import Drawing, Prediction, PredictionKind
from mmcvgssl.apis.prediction.kinds import kind_of

__all__ = ['Drawing', 'Prediction', 'PredictionKind', 'kind_of']
