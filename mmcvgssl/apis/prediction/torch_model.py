"""Models of model files, computed by PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from mmengine.dataset import pseudo_collate

from mmcvgssl.apis.prediction.notes import Notes
from mmcvgssl.model_file import LoadedModel, ModelFile
from mmcvgssl.model_file.anomaly import KIND as ANOMALY
from mmcvgssl.model_file.classifier import KIND as CLASSIFIER
from mmcvgssl.model_file.detector import KIND as DETECTOR
from mmcvgssl.model_file.detector import THRESHOLD
from mmcvgssl.models.tiled_detection import predict_tiled
from mmcvgssl.processes import limited_threads
from mmcvgssl.provenance import Provenance, of_config, of_versions
from mmcvgssl.utils import printable


def _map(sample: Any) -> dict[str, Any]:
    anomaly_map = sample.get('anomaly_map')
    if anomaly_map is not None:
        anomaly_map = anomaly_map.float().cpu().numpy()
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


_BOXES = 'labels', 'scores', 'bboxes'
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


class Tested:
    """Describes data samples that a model has filled in a test.

    Args:
        kind: Kind of the model.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __call__(self, images: Sequence[Any]) -> list[dict[str, Any]]:
        """Return for each data sample what its kind describes."""
        return [_FOUND[self.kind](sample) for sample in images]

    def threads(self, most: int) -> AbstractContextManager[None]:
        """Have it compute with so many threads at most."""
        return limited_threads(most)


def kind_in(sample: Any) -> str | None:
    """Return the kind of model that a data sample is of; None: no known one.

    Args:
        sample: Data sample that a model has predicted.
    """
    if 'anomaly_score' in sample:
        return ANOMALY
    if 'pred_instances' in sample:
        boxes = all(key in sample.pred_instances for key in _BOXES)
        return DETECTOR if boxes else None
    # several labels an image are another task
    if 'pred_score' in sample and 'pred_label' in sample:
        return CLASSIFIER if sample.pred_label.numel() == 1 else None
    return None


def notes_of(loaded: LoadedModel) -> Notes:
    """Return what predictions of a model file mean."""
    content = loaded.content
    return notes_of_model(
        *(content.kind, loaded.model, content.classes, content.category),
        *(content.settings.get(THRESHOLD), content.chosen),
    )


def notes_of_model(
    kind: str,
    model: Any,
    classes: Sequence[str] = (),
    category: str = '',
    score_threshold: float | None = None,
    chosen: Mapping[str, Any] | None = None,
) -> Notes:
    """Return what predictions of a model mean.

    Args:
        kind: Its kind.
        model: The model, which knows the threshold if it is of anomalies.
        classes: Names of classes, by index.
        category: Category of the images.
        score_threshold: Score from which on a box of a detector counts.
        chosen: How a classifier was learned.
    """
    threshold = getattr(model, 'threshold', None)
    if kind == DETECTOR:
        threshold = score_threshold
    return Notes(
        kind=kind,
        classes=classes,
        category=category,
        threshold=threshold,
        map_threshold=getattr(model, 'map_threshold', None),
        chosen=(model.chosen if kind == ANOMALY else chosen) or {},
    )


def made_by(content: ModelFile, digest: str, steps: Any) -> Provenance:
    """Return what predictions depend on beside images and options.

    Args:
        content: Content of a model file.
        digest: Digest of the file.
        steps: Transforms that read the images.
    """
    values = {'model': digest, 'transforms': of_config(steps)}
    return Provenance(values) | of_versions(content.model)


def describe(content: ModelFile, source: Path, digest: str) -> dict[str, Any]:
    """Return which model file it is, as JSON can hold it.

    Args:
        content: Content of the file.
        source: The file.
        digest: Its digest.
    """
    return {
        'file': printable(source.name),
        'digest': digest,
        'kind': content.kind,
        'type': content.model.get('type'),
        'made_with': content.made_with,
        'remarks': list(content.remarks),
    }
