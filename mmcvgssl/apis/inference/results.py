"""What a model says of an image, as plain values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import PIL.Image

from mmcvgssl.apis.prediction.picture_job import Source, read_source
from mmcvgssl.apis.prediction.prediction_kind import Drawing
from mmcvgssl.maps.geometry import resize_map


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """What holds for each kind of result.

    Args:
        path: Path of the file; None for a picture in memory.
        error: Why the image could not be read; nothing else is known then.
        size: Height and width of the upright image, pixels.
        drawn: Draws what was found, BGR uint8 [H, W, 3].
    """

    path: str | None
    error: str | None = None
    size: tuple[int, int] | None = None
    drawn: Callable[[], np.ndarray] | None = field(default=None, repr=False)

    def draw(self) -> PIL.Image.Image:
        """Draw what was found on the image, as mmcvgssl predict does.

        A file is read for it again.

        Returns:
            RGB, in the image's size; ``numpy.asarray`` makes an array.

        Raises:
            UnreadableImageError: If the file cannot be read any more.
            ValueError: If the image could not be read, or the file has
                changed its size meanwhile.
        """
        if self.drawn is None:
            raise ValueError(
                f'there is nothing to draw on: {self.error or "no picture"}'
            )
        bgr = self.drawn()
        return PIL.Image.fromarray(np.ascontiguousarray(bgr[..., ::-1]))


@dataclass(frozen=True, eq=False, kw_only=True)
class AnomalyResult(Result):
    """Whether an image is good, and where it is not.

    Args:
        score: Higher is more anomalous; None if it could not be read.
        threshold: Threshold of scores; None if the model has none.
        verdict: ``'good'``, or ``'defective'`` for a score greater than the
            threshold; None without a threshold.
        anomaly_map: The model's map, float32 [h, w]; see ``map``.

    Example:
        >>> result = AnomalyResult(path='a.png', score=0.7, threshold=0.5,
        ...     verdict='defective', size=(4, 6),
        ...     anomaly_map=np.eye(2, dtype=np.float32))
        >>> result.map.shape, result.is_defective
        ((4, 6), True)
    """

    score: float | None = None
    threshold: float | None = None
    verdict: str | None = None
    anomaly_map: np.ndarray | None = field(default=None, repr=False)

    @property
    def is_defective(self) -> bool:
        """Whether the score is greater than the threshold.

        Raises:
            ValueError: If there is no verdict.
        """
        if self.verdict is None:
            raise ValueError(
                self.error
                or 'the model has no threshold; give AnomalyInspector one'
            )
        return self.verdict == 'defective'

    @property
    def map(self) -> np.ndarray | None:
        """Map in the image's geometry, float32 [H, W], made when asked for."""
        if self.anomaly_map is None or self.size is None:
            return None
        return resize_map(self.anomaly_map, self.size)


@dataclass(frozen=True, eq=False, kw_only=True)
class ClassResult(Result):
    """The class of an image.

    Args:
        label: Name of the most probable class; None if the image could not
            be read.
        probability: Its probability, in [0, 1].
        probabilities: Those of all classes, by name.

    Example:
        >>> result = ClassResult(path='a.png', label='pit', probability=0.9,
        ...     probabilities={'good': 0.1, 'pit': 0.9})
        >>> result.label
        'pit'
    """

    label: str | None = None
    probability: float | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, kw_only=True)
class DetectionResult(Result):
    """Boxes in an image, the highest score first.

    Args:
        boxes: x1, y1, x2, y2 in pixels of the upright image, float32 [n, 4].
        labels: Names of their classes.
        scores: In [0, 1], float32 [n].
        threshold: Least score of a box.

    Example:
        >>> result = DetectionResult(path='a.png', threshold=0.3)
        >>> result.boxes.shape, len(result)
        ((0, 4), 0)
    """

    boxes: np.ndarray = field(
        default_factory=lambda: np.zeros((0, 4), np.float32)
    )
    labels: tuple[str, ...] = ()
    scores: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    threshold: float | None = None

    def __len__(self) -> int:
        return len(self.boxes)


def drawn_on(
    source: Source,
    reading: Mapping[str, object],
    size: tuple[int, int],
    drawing: Drawing | None,
) -> Callable[[], np.ndarray]:
    """Return what draws a result; it can be pickled.

    Args:
        source: The image.
        reading: See :func:`reading_options`.
        size: Height and width that it had, pixels.
        drawing: What draws on the picture; None: nothing is drawn.
    """
    return partial(_draw, source, dict(reading), size, drawing)


def _draw(
    source: Source,
    reading: Mapping[str, object],
    size: tuple[int, int],
    drawing: Drawing | None,
) -> np.ndarray:
    picture = read_source(source, reading)
    if picture.shape[:2] != size:
        raise ValueError(
            f'{source} had {size[1]} x {size[0]} pixels when it was judged, '
            f'and has {picture.shape[1]} x {picture.shape[0]} now; judge it '
            'anew'
        )
    return picture if drawing is None else drawing(picture, size)
