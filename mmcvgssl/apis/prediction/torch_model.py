"""Models of model files, computed by PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from mmengine.dataset import pseudo_collate

from mmcvgssl.apis.prediction.notes import Notes
from mmcvgssl.model_file import LoadedModel
from mmcvgssl.model_file.anomaly import KIND as ANOMALY
from mmcvgssl.model_file.classifier import KIND as CLASSIFIER
from mmcvgssl.model_file.detector import KIND as DETECTOR
from mmcvgssl.model_file.detector import THRESHOLD
from mmcvgssl.models.tiled_detection import predict_tiled
from mmcvgssl.processes import limited_threads


def _map(sample: Any) -> dict[str, Any]:
    anomaly_map = sample.anomaly_map.float().cpu().numpy()
    return {'score': sample.anomaly_score, 'map': anomaly_map}


def _class(sample: Any) -> dict[str, Any]:
    return {'probabilities': sample.pred_score, 'label': sample.pred_label}


def _boxes(sample: Any) -> dict[str, Any]:
    found = sample.pred_instances
    return {
        'labels': found.labels,
        'scores': found.scores,
        'boxes': found.bboxes,
    }


_FOUND: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    ANOMALY: _map,
    CLASSIFIER: _class,
    DETECTOR: _boxes,
}


class TorchModel:
    """Passes loaded images through a model.

    Args:
        loaded: The model, on its device, with what its file says.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        self.model: Any = loaded.model
        self.kind = loaded.content.kind

    @torch.no_grad()
    def __call__(self, images: Sequence[Any]) -> list[dict[str, Any]]:
        """Return for each image what its kind describes.

        A detector gets images one by one: in a batch, others change the
        padding. One in tiles is taken tile by tile.

        Args:
            images: Outputs of the transforms, or images that hold them.
        """
        items = [
            image if isinstance(image, dict) else image.item
            for image in images
        ]
        size = 1 if self.kind == DETECTOR else len(items)
        found = []
        for first in range(0, len(items), size):
            part = pseudo_collate(items[first : first + size])
            if self.kind == DETECTOR:
                samples = predict_tiled(self.model, self.model.test_step, part)
            else:
                data = self.model.data_preprocessor(part, False)
                samples = self.model(**data, mode='predict')
            found += [_FOUND[self.kind](sample) for sample in samples]
        return found

    def threads(self, most: int) -> AbstractContextManager[None]:
        """Have it compute with so many threads at most."""
        return limited_threads(most)


def notes_of(loaded: LoadedModel) -> Notes:
    """Return what predictions of a model file mean."""
    content, model = loaded.content, loaded.model
    threshold: Any = getattr(model, 'threshold', None)
    chosen: Any = content.chosen
    if content.kind == ANOMALY:
        chosen = model.chosen
    elif content.kind == DETECTOR:
        threshold = content.settings[THRESHOLD]
    return Notes(
        kind=content.kind,
        classes=content.classes,
        category=content.category,
        threshold=threshold,
        map_threshold=getattr(model, 'map_threshold', None),
        chosen=chosen,
    )
