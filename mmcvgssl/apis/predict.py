"""Scores, verdicts and overlays of images, from one model file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope

from mmcvgssl.datasets.contents import Contents
from mmcvgssl.datasets.layouts.mask_files import warn_of_masks
from mmcvgssl.datasets.preparation.images import images_below
from mmcvgssl.datasets.reading import UnreadableImageError
from mmcvgssl.datasets.transforms.load_image import reading_options
from mmcvgssl.evaluation.operating_point import calls_defective
from mmcvgssl.maps import lay_map
from mmcvgssl.model_file import load_model, prediction_steps
from mmcvgssl.models.anomaly import AnomalyModel

GOOD, DEFECTIVE = 'good', 'defective'


@dataclass
class Prediction:
    """What is said of one image.

    Attributes:
        path: Of the image.
        score: Higher is more anomalous; None if it cannot be read.
        verdict: ``'good'`` or ``'defective'``; None without a threshold.
        error: Why the image cannot be read, or has no overlay.
        anomaly_map: [h, w].
    """

    path: str
    score: float | None = None
    verdict: str | None = None
    error: str | None = None
    anomaly_map: np.ndarray | None = None


class OneClassPredictor:
    """A fitted anomaly model with the transforms that it was tested with.

    Args:
        model: A model file, as tools/fit.py and tools/one_class.py write it.
        config: A config whose ``test_dataloader`` says how images are read,
            in place of the file.
        device: By default the GPU, if there is one.
        batch_size: Images that pass at once.

    Raises:
        FileNotFoundError: If a file is missing.
        mmcvgssl.weights.WeightsError: If the model file is something else,
            cut off, or names what no file may name.
        ValueError: If the batch size is below 1.
    """

    def __init__(
        self,
        model: str | Path,
        config: Config | None = None,
        device: str | None = None,
        batch_size: int = 32,
    ) -> None:
        init_default_scope('mmpretrain')
        loaded = load_model(model)
        self.content = loaded.content
        device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
        self.model: AnomalyModel = loaded.model.to(device)  # type: ignore
        self.transform = Compose(loaded.transforms)
        if config is not None:
            steps = config.test_dataloader.dataset.pipeline
            self.transform = Compose(prediction_steps(steps))
        # overlays show what the model sees
        self.reading = reading_options(self.transform.transforms)
        if batch_size < 1:
            raise ValueError(f'batch_size is 1 or more, got {batch_size}')
        self.batch_size = batch_size

    def __call__(self, paths: Sequence[str | Path]) -> Iterator[Prediction]:
        """Predict images in order; what cannot be read has an ``error``."""
        for first in range(0, len(paths), self.batch_size):
            part = [str(p) for p in paths[first : first + self.batch_size]]
            loaded: list[Any] = [self._load(path) for path in part]
            readable = [item for item in loaded if isinstance(item, dict)]
            results = iter(self._predict(readable) if readable else [])
            for path, item in zip(part, loaded, strict=True):
                if isinstance(item, dict):
                    yield self._describe(path, next(results))
                else:
                    yield Prediction(path, error=str(item))

    def _load(self, path: str) -> dict | UnreadableImageError:
        try:
            return self.transform(
                {'img_path': path, 'category': self.content.category}
            )
        except UnreadableImageError as error:
            return error

    @torch.no_grad()
    def _predict(self, items: list[dict]) -> list:
        data = self.model.data_preprocessor(pseudo_collate(items), False)
        return self.model(**data, mode='predict')

    def _describe(self, path: str, sample: Any) -> Prediction:
        score, threshold = float(sample.anomaly_score), self.model.threshold
        verdict = None
        if threshold is not None:
            verdict = DEFECTIVE if calls_defective(score, threshold) else GOOD
        values = sample.anomaly_map.float().cpu().numpy()
        return Prediction(path, score, verdict, anomaly_map=values)


def find_images(
    path: str | Path, skip: str | Path = '', contents: Contents | None = None
) -> list[Path]:
    """Return an image itself, or those of a folder in any nesting.

    Args:
        path: Image or folder.
        skip: Folder below it whose pictures are no input.
        contents: Is told what is left out, by reason.

    Raises:
        FileNotFoundError: If there is neither.
        ValueError: If the folder holds no image.
    """
    path = Path(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise FileNotFoundError(
            f'expected an image or a folder of images, found no {path}'
        )
    told = contents if contents is not None else Contents(str(path))
    skipped = [Path(skip)] if skip else []
    found = [
        path / name for name in images_below(path, skipped, contents=told)
    ]
    warn_of_masks(path, [p.relative_to(path).as_posix() for p in found], told)
    if not found:
        raise ValueError(f'{path}: no images; {told.left_out_text()}')
    return found


def overlay(
    image: np.ndarray, anomaly_map: np.ndarray, map_threshold: float
) -> np.ndarray:
    """Lay a heatmap over an image.

    Args:
        image: BGR uint8 [H, W, 3].
        anomaly_map: [h, w]; resized to the image.
        map_threshold: What maps of good images hardly exceed, the middle of
            the colours.

    Returns:
        BGR uint8 [H, W, 3].
    """
    return lay_map(image, anomaly_map, map_threshold, 2 * map_threshold)
