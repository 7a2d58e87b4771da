"""Boxes that a trained detector finds in images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchvision.ops import clip_boxes_to_image, nms

from mmcvgssl.apis.export_model import detector_content
from mmcvgssl.apis.model_file_config import open_model
from mmcvgssl.apis.predict import Predictor
from mmcvgssl.datasets.transforms.load_image import reading_options
from mmcvgssl.model_file import LoadedModel, build_model, is_model_file
from mmcvgssl.model_file.detector import KIND
from mmcvgssl.progress import progress_bar
from mmcvgssl.utils import printable

# boxes below it are never believed
FLOOR = 0.05
# of two boxes that overlap by more, whatever their classes, one stays
_SAME_PLACE = 0.7


@dataclass(frozen=True)
class Detections:
    """Boxes that a detector has found in one image.

    Args:
        size: Height and width of the image, pixels.
        boxes: (x1, y1, x2, y2) in its pixels, [n, 4].
        scores: [n], falling.
        labels: Class indices, [n].
    """

    size: tuple[int, int]
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray


class Detector:
    """A trained detector, from a model file or a checkpoint.

    Args:
        model: A model file, or the checkpoint of a training.
        classes: Names of its classes; labels that it gives are their
            numbers, whatever order the detector has.
        config: Config of the training, for a checkpoint that holds none.
        device: By default the GPU, if there is one.
        workers: Processes that read images, see :class:`Predictor`.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If it holds another kind of model or other classes, or
            its config describes no detector.
        mmcvgssl.weights.WeightsError: If it is no file of weights.
    """

    def __init__(
        self,
        model: str | Path,
        classes: Sequence[str],
        config: str | Path | None = None,
        device: str | None = None,
        workers: int | None = None,
    ) -> None:
        loaded = _open(model, config)
        own = list(loaded.content.classes)
        if {*own} != {*classes}:
            raise ValueError(
                f'{printable(str(model))} finds {own}, and the labels know '
                f'{list(classes)}: expected the same classes'
            )
        self.model = loaded.content.model
        self.index = {name: i for i, name in enumerate(classes)}
        self.predictor = Predictor(
            loaded, device=device, threshold=FLOOR, workers=workers
        )

    @property
    def reading(self) -> dict[str, Any]:
        """How images are read, for :func:`read_image`."""
        return reading_options(self.predictor.transforms)

    def detect(
        self, root: Path, paths: Sequence[str], title: str
    ) -> tuple[dict[str, Detections], dict[str, str]]:
        """Find boxes of a score of ``FLOOR`` or more.

        They end at the image's border, are a pixel wide and high at least,
        and of two on one place that with the higher score is kept.

        Args:
            root: Folder of the images.
            paths: Relative to it.
            title: Of the bar that is shown.

        Returns:
            Boxes by path; and why images cannot be read, by path.
        """
        found: dict[str, Detections] = {}
        errors: dict[str, str] = {}
        files = [str(root / path) for path in paths]
        bar = progress_bar(
            self.predictor(files), desc=title, total=len(files), unit='image'
        )
        with bar:
            for path, prediction in zip(paths, bar, strict=True):
                if prediction.size is None:
                    errors[path] = printable(str(prediction.error))
                else:
                    rows = prediction.row()['boxes'] or []
                    found[path] = self._tidied(rows, prediction.size)
        return found, errors

    def _tidied(
        self, given: Sequence[Mapping[str, Any]], size: tuple[int, int]
    ) -> Detections:
        boxes = torch.tensor([one['box'] for one in given]).reshape(-1, 4)
        scores = torch.tensor([one['score'] for one in given])
        labels = torch.tensor([self.index[one['label']] for one in given])
        boxes = clip_boxes_to_image(boxes.double(), size)
        sides = boxes[:, 2:] - boxes[:, :2]
        whole = torch.nonzero((sides >= 1).all(1)).flatten()
        rows = whole[nms(boxes[whole], scores[whole].double(), _SAME_PLACE)]
        return Detections(
            size,
            boxes[rows].numpy(),
            scores[rows].double().numpy(),
            labels[rows].long().numpy(),
        )


def _open(model: str | Path, config: str | Path | None) -> LoadedModel:
    source = printable(str(model))
    if not is_model_file(model):
        content = detector_content(model, config, FLOOR)
        return build_model(content, source)
    if config is not None:
        raise ValueError(
            f'{source} is a model file, which needs no config: leave '
            '--config out'
        )
    loaded = open_model(model)
    if loaded.content.kind != KIND:
        raise ValueError(
            f'expected a detector to find boxes, and {source} is of kind '
            f'{loaded.content.kind}: give the checkpoint of a detector, or '
            'its model file, of mmcvgssl export-model'
        )
    return loaded
