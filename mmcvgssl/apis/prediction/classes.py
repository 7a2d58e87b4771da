"""Predictions of classifiers: a class and probabilities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from mmcvgssl.apis.prediction.captions import (
    Colour,
    can_write,
    class_colour,
    write_caption,
)
from mmcvgssl.apis.prediction.kind import Drawing, Prediction, PredictionKind
from mmcvgssl.model_file import LoadedModel


@dataclass
class ClassPrediction(Prediction):
    """Prediction of a classifier for one image.

    Attributes:
        label: Name of the most probable class; None if the image cannot be
            read.
        probability: Probability of the class, in [0, 1].
        probabilities: Probabilities by the names of all classes.
    """

    label: str | None = None
    probability: float | None = None
    probabilities: dict[str, float] | None = None

    FIELDS: ClassVar[tuple[str, ...]] = (
        *('path', 'label', 'probability', 'probabilities', 'error'),
    )


class ClassKind(PredictionKind):
    """The class of an image, with the probabilities of all."""

    prediction = ClassPrediction

    def __init__(
        self, loaded: LoadedModel, threshold: float | None = None
    ) -> None:
        super().__init__(loaded, threshold)
        if threshold is not None:
            raise ValueError(
                'a classifier names the most probable class and has no '
                f'threshold, got --threshold {threshold}: leave it out, and '
                'choose by the probabilities in predictions.json'
            )
        self.classes = loaded.content.classes

    def describe(self, path: str, sample: Any) -> ClassPrediction:
        """Return the most probable class, and all probabilities."""
        scores = sample.pred_score.tolist()
        index = int(sample.pred_label)
        return ClassPrediction(
            path,
            label=self.classes[index],
            probability=scores[index],
            probabilities=dict(zip(self.classes, scores, strict=True)),
        )

    def drawing(self, prediction: Prediction) -> Drawing | None:
        """Write class and probability into the picture."""
        row = prediction.row()
        index = self.classes.index(row['label'])
        name = shown_name(self.classes, index)
        text = f'{name} {row["probability"]:.2f}'
        return partial(draw_class, text=text, colour=class_colour(index))

    def head(self) -> dict[str, Any]:
        """Return the classes, and how the classifier was learned."""
        return {'classes': self.classes, 'chosen': self.content.chosen}

    def line(self, prediction: Prediction) -> str:
        """Return probability and class."""
        row = prediction.row()
        return f'{row["probability"]:.4f}  {row["label"]}'

    def summary(self, predictions: Sequence[Prediction]) -> str:
        """Count the images of each class."""
        found = Counter(p.row()['label'] for p in predictions if p.is_read)
        broken = sum(not p.is_read for p in predictions)
        counts = [f'{found[name]} {name}' for name in self.classes]
        return ', '.join([*counts, f'{broken} not read'])


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
