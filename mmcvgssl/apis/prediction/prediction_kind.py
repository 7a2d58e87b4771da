"""The base class of predictions by kind of model file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from mmengine.dataset import pseudo_collate

from mmcvgssl.model_file import LoadedModel
from mmcvgssl.predictions import Prediction

# takes the picture, BGR uint8 [h, w, 3], and height and width of the image's
# file, of which the picture may be a smaller version; returns BGR uint8
# [h, w, 3]. It goes to a worker process: a function of a module, or a
# functools.partial of one.
Drawing = Callable[[np.ndarray, tuple[int, int]], np.ndarray]


class PredictionKind(ABC):
    """How a kind of model predicts, what is written and what is drawn.

    Args:
        loaded: The model, on its device, with what its file says.
        threshold: Threshold that replaces the model's; None: the model's.

    Raises:
        ValueError: If the kind has no threshold, or this is none.
    """

    prediction: ClassVar[type[Prediction]] = Prediction
    # whether predictions have an ``anomaly_map``, which is let go of once it
    # is drawn and written, and a ``score``
    has_maps: ClassVar[bool] = False

    def __init__(
        self, loaded: LoadedModel, threshold: float | None = None
    ) -> None:
        self.model: Any = loaded.model
        self.content = loaded.content

    @torch.no_grad()
    def predict(
        self, paths: Sequence[str], items: Sequence[dict[str, Any]]
    ) -> list[Prediction]:
        """Predict a batch.

        Args:
            paths: Paths of the images.
            items: Outputs of the transforms for these images.
        """
        data = self.model.data_preprocessor(pseudo_collate(items), False)
        samples = self.model(**data, mode='predict')
        return [
            self.describe(path, sample)
            for path, sample in zip(paths, samples, strict=True)
        ]

    @abstractmethod
    def describe(self, path: str, sample: Any) -> Prediction:
        """Say what the model's data sample of an image means."""

    @abstractmethod
    def drawing(self, prediction: Prediction) -> Drawing | None:
        """Return what draws a prediction; None if there is nothing."""

    @abstractmethod
    def head(self) -> dict[str, Any]:
        """Return what holds for all images, for ``predictions.json``."""

    @abstractmethod
    def line(self, prediction: Prediction) -> str:
        """Say in a few words what was found, for the terminal."""

    @abstractmethod
    def summary(self, predictions: Sequence[Prediction]) -> str:
        """Count what was found, for the terminal's last line."""

    def depends_on(self) -> dict[str, Any]:
        """Return what rows and overlays depend on beside file and image."""
        return {}

    def files(self, predictions: Sequence[Prediction]) -> Mapping[str, bytes]:
        """Return further files to write, by names that begin `predictions.`.

        Args:
            predictions: Predictions of all images, in the order of the tables.
        """
        return {}
