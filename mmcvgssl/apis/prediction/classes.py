"""Predictions of classifiers: a class and probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from mmcvgssl.apis.prediction.captions import (
    Colour,
    can_write,
    class_colour,
    write_caption,
)
from mmcvgssl.apis.prediction.notes import Notes
from mmcvgssl.apis.prediction.prediction_kind import (
    Computes,
    Drawing,
    PredictionKind,
)
from mmcvgssl.predictions import ClassPrediction, Prediction


class ClassKind(PredictionKind):
    """The class of an image, with the probabilities of all."""

    prediction = ClassPrediction

    def __init__(
        self, notes: Notes, compute: Computes, threshold: float | None = None
    ) -> None:
        super().__init__(notes, compute, threshold)
        if threshold is not None:
            ClassPrediction.check_threshold(threshold)

    def describe(self, path: str, found: Mapping[str, Any]) -> ClassPrediction:
        """Return the most probable class, and all probabilities."""
        label = int(found['label'])
        shares = found['probabilities'].tolist()
        return ClassPrediction.of(path, shares, label, self.classes)

    def drawing(self, prediction: Prediction) -> Drawing | None:
        """Write class and probability into the picture."""
        row = prediction.row()
        if row['label'] is None:
            return None
        index = self.classes.index(row['label'])
        name = shown_name(self.classes, index)
        text = f'{name} {row["probability"]:.2f}'
        return partial(draw_class, text=text, colour=class_colour(index))

    def head(self) -> dict[str, Any]:
        """Return the classes, and how the classifier was learned."""
        return {'classes': self.classes, 'chosen': dict(self.notes.chosen)}

    def line(self, prediction: Prediction) -> str:
        """Return probability and class."""
        return prediction.line()

    def summary(self, predictions: Sequence[Prediction]) -> str:
        """Count the images of each class."""
        return ClassPrediction.summary(predictions, self.classes)


def draw_class(
    picture: np.ndarray,
    size: tuple[int, int] | None = None,
    *,
    text: str,
    colour: Colour,
) -> np.ndarray:
    """Write a text into the upper left corner.

    Args:
        picture: BGR uint8 [h, w, 3].
        size: Size of the image's file; not needed.
        text: One line.
        colour: BGR, of its ground.

    Returns:
        BGR uint8 [h, w, 3].
    """
    drawn = picture.copy()
    write_caption(drawn, text, (0, 0), colour)
    return drawn


def shown_name(classes: Sequence[str], index: int) -> str:
    """Return a class's name, or its number if the font lacks its letters."""
    name = classes[index]
    return name if can_write(name) else f'class {index}'
