"""Predictions of detectors: boxes with classes and scores."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from mmcvgssl.apis.prediction.captions import (
    Colour,
    class_colour,
    draw_frames,
)
from mmcvgssl.apis.prediction.classes import shown_name
from mmcvgssl.apis.prediction.notes import Notes
from mmcvgssl.apis.prediction.prediction_kind import (
    Computes,
    Drawing,
    PredictionKind,
)
from mmcvgssl.predictions import BoxPrediction, Prediction

COCO = 'predictions.bbox.json'  # as the hosts' metric of COCO calls it
# a box, its caption and its colour
Frame = tuple[list[float], str, Colour]


class BoxKind(PredictionKind):
    """Boxes of defects, of a score of the threshold or more."""

    prediction = BoxPrediction

    def __init__(
        self, notes: Notes, compute: Computes, threshold: float | None = None
    ) -> None:
        super().__init__(notes, compute, threshold)
        self.threshold = notes.threshold or 0.0
        if threshold is not None:
            if not 0 <= threshold <= 1:
                raise ValueError(
                    'expected a threshold on scores of boxes in [0, 1], got '
                    f'the threshold {threshold}; leave it out for '
                    f'{self.threshold}, that of the model file'
                )
            self.threshold = threshold

    def describe(self, path: str, found: Mapping[str, Any]) -> BoxPrediction:
        """Return the boxes that are shown."""
        rows = zip(
            found['labels'].tolist(),
            found['scores'].tolist(),
            found['boxes'].tolist(),
            strict=True,
        )
        boxes = [
            {'label': self.classes[label], 'score': score, 'box': box}
            for label, score, box in rows
        ]
        return BoxPrediction.of(path, boxes, self.threshold)

    def drawing(self, prediction: Prediction) -> Drawing | None:
        """Draw the boxes, the highest score on top."""
        frames = []
        for found in reversed(prediction.row()['boxes']):
            index = self.classes.index(found['label'])
            name = shown_name(self.classes, index)
            text = f'{name} {found["score"]:.2f}'
            frames.append((found['box'], text, class_colour(index)))
        return partial(draw_boxes, frames=frames)

    def head(self) -> dict[str, Any]:
        """Return classes, threshold, and what numbers of boxes mean."""
        return {
            'classes': self.classes,
            'score_threshold': self.threshold,
            'boxes': 'x1, y1, x2, y2 in pixels of the upright image',
            'coco': {
                'file': COCO,
                'image_id': 'index in images, counted from 1',
                'categories': [
                    {'id': i, 'name': name}
                    for i, name in enumerate(self.classes, 1)
                ],
            },
        }

    def files(
        self, rows: Iterable[Mapping[str, Any]]
    ) -> Mapping[str, Iterator[bytes]]:
        """Return the boxes as a file of COCO results."""
        return {COCO: self._results(rows)}

    def _results(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
        ids = {name: i for i, name in enumerate(self.classes, 1)}
        before = '['
        for image_id, row in enumerate(rows, 1):
            for found in row['boxes'] or ():
                x1, y1, x2, y2 = found['box']
                result = {
                    'image_id': image_id,
                    'category_id': ids[found['label']],
                    'bbox': [x1, y1, x2 - x1, y2 - y1],
                    'score': found['score'],
                }
                yield f'{before}{json.dumps(result)}'.encode()
                before = ', '
        yield b']\n' if before == ', ' else b'[]\n'

    def depends_on(self) -> dict[str, Any]:
        """Return the threshold of the boxes."""
        return {'threshold': self.threshold}

    def line(self, prediction: Prediction) -> str:
        """Return the number of boxes, and the best of them."""
        row = prediction.row()
        if not row['count']:
            return 'no box'
        several = 'box' if row['count'] == 1 else 'boxes'
        return f'{row["count"]} {several}, {row["label"]} {row["score"]:.4f}'

    def summary(self, predictions: Sequence[Prediction]) -> str:
        """Count boxes and the images that have some."""
        counts = [p.row()['count'] or 0 for p in predictions]
        broken = sum(not p.is_read for p in predictions)
        return (
            f'{sum(counts)} boxes in {sum(c > 0 for c in counts)} of them, '
            f'{broken} not read; score threshold {self.threshold}'
        )


def draw_boxes(
    picture: np.ndarray,
    size: tuple[int, int],
    *,
    frames: Sequence[Frame],
) -> np.ndarray:
    """Draw boxes with captions.

    Args:
        picture: BGR uint8 [h, w, 3].
        size: Height and width of the image's file, in whose pixels boxes
            are.
        frames: Box, caption and colour of each.

    Returns:
        BGR uint8 [h, w, 3].
    """
    drawn = picture.copy()
    scale = [drawn.shape[1] / size[1], drawn.shape[0] / size[0]] * 2
    scaled = [
        ([v * s for v, s in zip(box, scale, strict=True)], text, colour)
        for box, text, colour in frames
    ]
    draw_frames(drawn, scaled)
    return drawn
