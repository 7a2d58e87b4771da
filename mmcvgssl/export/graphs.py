"""Models as graphs: from bytes of images to what a prediction says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mmcvgssl.export.detectors import (
    SUPPORTED,
    check_detector,
    detector_graph,
)
from mmcvgssl.export.graph import INPUT, Graph, InputLayer
from mmcvgssl.export.graph_nms import TRANSLATED
from mmcvgssl.model_file import LoadedModel
from mmcvgssl.model_file.anomaly import KIND as ANOMALY
from mmcvgssl.model_file.classifier import KIND as CLASSIFIER
from mmcvgssl.model_file.detector import KIND as DETECTOR
from mmcvgssl.models.anomaly import KeAD, MapEnsemble, MuSc
from mmcvgssl.models.anomaly.anomaly_model import AnomalyModel
from mmcvgssl.models.layers import resizing_by_tables


class AnomalyGraph(nn.Module):
    """Maps, scores and verdicts of an anomaly model.

    Args:
        model: The model, fitted.
    """

    def __init__(self, model: AnomalyModel) -> None:
        super().__init__()
        self.input = InputLayer(model.data_preprocessor)
        self.model = model
        self.threshold = model.threshold

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return maps [N, h, w], scores [N] and, if known, verdicts [N]."""
        maps, scores = self.model.predict_unnamed(self.input(images))
        if self.threshold is None:
            return maps, scores
        return maps, scores, scores.double() > self.threshold


class ClassifierGraph(nn.Module):
    """Probabilities of a classifier.

    Args:
        model: A ``ProbeClassifier``.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.input = InputLayer(model.data_preprocessor)
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return probabilities [N, C] and the most probable class [N]."""
        probabilities = self.model(self.input(images)).softmax(1).float()
        return probabilities, probabilities.argmax(1)


def check_supported(loaded: LoadedModel) -> None:
    """Refuse a model file that is not exported, before anything else.

    Raises:
        ValueError: Names the model, and those that are exported.
    """
    kind = loaded.content.kind
    if kind == DETECTOR:
        check_detector(loaded)
    elif kind not in _GRAPHS:
        raise ValueError(
            f'{loaded.source} is of kind {kind}, which is not exported; '
            f'expected {", ".join(_GRAPHS)}, or a detector: {SUPPORTED}'
        )


def graph_of(loaded: LoadedModel, size: tuple[int, int]) -> Graph:
    """Return the graph of a model file.

    Args:
        loaded: The model; the graph shares its weights.
        size: Height and width of its input, pixels.

    Raises:
        ValueError: If models of its kind are not exported: names those that
            are.
    """
    check_supported(loaded)
    if loaded.content.kind == DETECTOR:
        return detector_graph(loaded, size)
    return _GRAPHS[loaded.content.kind](loaded)


def _anomaly(loaded: LoadedModel) -> Graph:
    model: Any = loaded.model
    category = loaded.content.category
    remarks: list[str] = []
    for part in [model, *_members(model)]:
        if isinstance(part, MuSc):
            remarks = [
                'MuSc: an image that is one of the references is compared '
                'with itself, too, so its score is lower than by the model '
                'file'
            ]
        if getattr(part, 'per_position', False):
            raise ValueError(
                f'{loaded.source}: PatchCore with per_position=True is not '
                'exported, as a graph does not know at which position a tile '
                'lies; expected one memory for all, per_position=False'
            )
        if isinstance(part, KeAD):
            part.category = category or part.category
            part.categories.require(part.category or '')
            if part.autocast is not None:
                raise ValueError(
                    f'{loaded.source}: KeAD with autocast is not exported, '
                    'as its rounding is that of one kind of device; write '
                    'the model file with autocast=None, and export with '
                    '--half'
                )
    outputs = {
        'maps': 'anomaly maps [N, h, w]; higher is more anomalous',
        'scores': 'image scores [N]; higher is more anomalous',
    }
    threshold = model.threshold
    if threshold is not None:
        outputs['defective'] = 'verdicts [N]: whether scores > threshold'
    return Graph(
        AnomalyGraph(model),
        outputs,
        'a map covers the image from corner pixel to corner pixel: its first '
        'and last values lie in the middle of the corner pixels, those '
        'between at equal distances (bilinear, align_corners)',
        threshold,
        model.map_threshold,
        remarks=tuple(remarks),
    )


def _members(model: Any) -> list[Any]:
    if not isinstance(model, MapEnsemble):
        return []
    found = []
    for member in model.members:
        found += [member, *_members(member)]
    return found


def _classifier(loaded: LoadedModel) -> Graph:
    return Graph(
        ClassifierGraph(loaded.model),
        {
            'probabilities': 'probabilities of the classes [N, C]',
            'labels': 'index of the most probable class [N]',
        },
    )


_GRAPHS: Mapping[str, Callable[[LoadedModel], Graph]] = {
    ANOMALY: _anomaly,
    CLASSIFIER: _classifier,
}


def to_onnx(graph: Graph, height: int, width: int) -> Any:
    """Export a graph, for any number of images at once.

    Args:
        graph: The graph.
        height: Height of its input, pixels.
        width: Width of its input, pixels.

    Returns:
        An ``onnx.ModelProto``.

    Raises:
        ValueError: If PyTorch cannot export a part of the model.
    """
    # two, as one image would be taken for a dimension that is always 1
    images = torch.zeros(2, height, width, 3, dtype=torch.uint8)
    batch = torch.export.Dim('batch', min=1, max=1 << 20)
    module = graph.module.eval().requires_grad_(False)
    with torch.no_grad(), resizing_by_tables():
        # what is made when it is first used, such as drawn channels, becomes
        # a constant of the graph
        module(images)
        program = torch.onnx.export(
            module,
            (images,),
            input_names=[INPUT],
            output_names=list(graph.outputs),
            dynamic_shapes={INPUT: {0: batch}},
            custom_translation_table=TRANSLATED,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise RuntimeError(
            'expected a graph of torch.onnx.export, got none: install the '
            'versions of requirements.lock'
        )
    return program.model_proto
