"""Models as graphs: from bytes of images to what a prediction says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mmcvgssl.model_file import LoadedModel
from mmcvgssl.model_file.anomaly import KIND as ANOMALY
from mmcvgssl.model_file.classifier import KIND as CLASSIFIER
from mmcvgssl.models.anomaly import KeAD, MapEnsemble, MuSc
from mmcvgssl.models.anomaly.anomaly_model import AnomalyModel
from mmcvgssl.models.anomaly.tiled_images import TilePreprocessor

INPUT = 'images'


@dataclass(frozen=True)
class Graph:
    """A model that can be exported.

    Args:
        module: From images, RGB uint8 [N, H, W, 3], to the outputs.
        outputs: Meaning of each output, by its name, in their order.
        geometry: Where values of the outputs lie in the image.
        threshold: See :class:`Metadata`.
        map_threshold: See :class:`Metadata`.
        remarks: How the graph differs from the model.
    """

    module: nn.Module
    outputs: Mapping[str, str]
    geometry: str = ''
    threshold: float | None = None
    map_threshold: float | None = None
    remarks: tuple[str, ...] = ()


class InputLayer(nn.Module):
    """What a data preprocessor does, on images as files hold them.

    Args:
        preprocessor: mmengine's ``ImgDataPreprocessor``, or what hands on
            tiles beside it.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, preprocessor: Any) -> None:
        super().__init__()
        if isinstance(preprocessor, TilePreprocessor):
            preprocessor = preprocessor.whole
        # transforms give BGR, and this gets RGB
        self.flip = not preprocessor._channel_conversion
        self.normalise = bool(preprocessor._enable_normalize)
        if self.normalise:
            self.register_buffer('mean', preprocessor.mean.clone())
            self.register_buffer('std', preprocessor.std.clone())

    def forward(self, images: Tensor) -> Tensor:
        """Turn RGB uint8 [N, H, W, 3] into floats [N, 3, H, W]."""
        values = images.permute(0, 3, 1, 2).float()
        if self.flip:
            values = values.flip(1)
        if self.normalise:
            values = (values - self.mean) / self.std
        return values


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


def graph_of(loaded: LoadedModel) -> Graph:
    """Return the graph of a model file.

    Args:
        loaded: The model; the graph shares its weights.

    Raises:
        ValueError: If models of its kind are not exported: names those that
            are.
    """
    kind = loaded.content.kind
    if kind not in _GRAPHS:
        raise ValueError(
            f'{loaded.source} is of kind {kind}, which is not exported; '
            f'expected {" or ".join(_GRAPHS)}'
        )
    return _GRAPHS[kind](loaded)


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
        tuple(remarks),
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
    with torch.no_grad():
        program = torch.onnx.export(
            module,
            (images,),
            input_names=[INPUT],
            output_names=list(graph.outputs),
            dynamic_shapes={INPUT: {0: batch}},
            dynamo=True,
            verbose=False,
        )
    assert program is not None  # of the exporter that writes no file
    return program.model_proto
