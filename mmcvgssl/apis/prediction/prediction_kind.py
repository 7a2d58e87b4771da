"""The base class of predictions by kind of model file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Protocol

import numpy as np

from mmcvgssl.apis.prediction.notes import Notes
from mmcvgssl.predictions import Prediction

# takes the picture, BGR uint8 [h, w, 3], and height and width of the image's
# file, of which the picture may be a smaller version; returns BGR uint8
# [h, w, 3]. It goes to a worker process: a function of a module, or a
# functools.partial of one.
Drawing = Callable[[np.ndarray, tuple[int, int]], np.ndarray]


class Computes(Protocol):
    """A model, by PyTorch or exported, that images pass."""

    def __call__(self, images: Sequence[Any]) -> list[dict[str, Any]]:
        """Return for each loaded image what its kind describes."""

    def threads(self, most: int) -> AbstractContextManager[None]:
        """Have it compute with so many threads at most."""


class PredictionKind(ABC):
    """How a kind of model predicts, what is written and what is drawn.

    Args:
        notes: What its file says.
        compute: The model.
        threshold: Threshold that replaces the model's; None: the model's.

    Raises:
        ValueError: If the kind has no threshold, or this is none.
    """

    prediction: ClassVar[type[Prediction]] = Prediction
    # whether predictions have an ``anomaly_map``, which is let go of once it
    # is drawn and written, and a ``score``
    has_maps: ClassVar[bool] = False

    def __init__(
        self, notes: Notes, compute: Computes, threshold: float | None = None
    ) -> None:
        self.notes, self.compute = notes, compute
        self.classes = list(notes.classes)

    def predict(
        self, paths: Sequence[str], images: Sequence[Any]
    ) -> list[Prediction]:
        """Predict a batch.

        Args:
            paths: Paths of the images.
            images: The images, loaded.
        """
        return [
            self.describe(path, found)
            for path, found in zip(paths, self.compute(images), strict=True)
        ]

    def threads(self, most: int) -> AbstractContextManager[None]:
        """Have the model compute with so many threads at most."""
        return self.compute.threads(most)

    @abstractmethod
    def describe(self, path: str, found: Mapping[str, Any]) -> Prediction:
        """Say what the model's outputs for an image mean."""

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

    def files(
        self, rows: Iterable[Mapping[str, Any]]
    ) -> Mapping[str, Iterator[bytes]]:
        """Return further files, in parts, by names that begin `predictions.`.

        Args:
            rows: Rows of all images, in the order of the tables.
        """
        return {}
