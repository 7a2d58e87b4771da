"""A model file as a graph for runtimes without torch, checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from mmcvgssl.apis.exported_predictor import ExportedPredictor
from mmcvgssl.apis.predict import Predictor, find_images
from mmcvgssl.compat import require
from mmcvgssl.datasets.reading import UnreadableImageError, read_settled
from mmcvgssl.export.check import (
    NONE_READ,
    TOLERANCES,
    ExportCheckError,
    compare,
)
from mmcvgssl.export.engines import (
    ONNX,
    OPENVINO,
    Engine,
    OnnxEngine,
    OpenVinoEngine,
)
from mmcvgssl.export.graphs import check_supported, graph_of, to_onnx
from mmcvgssl.export.inputs import Inputs, inputs_of
from mmcvgssl.export.metadata import Metadata
from mmcvgssl.export.preparation import make_vectors, prepare
from mmcvgssl.export.writers import (
    onnx_bytes,
    openvino_bytes,
    to_half,
    to_int8,
)
from mmcvgssl.model_file import load_model
from mmcvgssl.model_file.classifier import KIND as CLASSIFIER
from mmcvgssl.model_file.detector import KIND as DETECTOR
from mmcvgssl.models.anomaly import MuSc
from mmcvgssl.provenance import make_room, of_file
from mmcvgssl.utils import atomic_write, check_file, evenly
from mmcvgssl.version import __version__

FORMATS = {'onnx': ONNX, 'openvino': OPENVINO}
COMPARED = 64  # images at most
_CALIBRATED = 256  # images that ranges for int8 are measured on, at most
_BATCH = 8


def export_graph(
    model: str | Path,
    out: str | Path,
    images: str | Path,
    format: str = 'onnx',
    half: bool = False,
    int8: str | Path | None = None,
    tolerance: float | None = None,
    flips: float = 0.0,
) -> Metadata:
    """Write a model file as a graph of ONNX or OpenVINO.

    The graph takes bytes of images and holds normalisation, networks, what
    was fitted, calibration and threshold. Before the file is written, the
    graph and PyTorch predict the same images; they must agree.

    Args:
        model: A model file of an anomaly model, a classifier or a detector.
        out: File to write: ``.onnx``, or ``.xml`` with ``.bin`` beside it.
        images: Image, folder or list of images that both predict, 64 at
            most, evenly chosen; good and defective ones, best those of a
            test.
        format: ``'onnx'`` or ``'openvino'``.
        half: Store in float16. ONNX computes in it, too; OpenVINO in
            float32.
        int8: Folder or list of images on which the ranges of 8 bits are
            measured; None: no int8.
        tolerance: Largest difference, see :func:`compare`; by default 0.001,
            0.01 in float16 and 0.1 in int8.
        flips: Largest share of the images with another verdict than by
            PyTorch.

    Returns:
        What the file says of itself.

    Raises:
        FileNotFoundError: If a file is missing.
        ExportCheckError: If graph and PyTorch disagree; nothing is written.
        ValueError: If the model or one of its transforms is not exported, or
            options exclude each other.
        ModuleNotFoundError: If a package of the extra ``export`` is not
            installed.
    """
    precision = _check_options(out, format, half, int8, tolerance)
    if not 0 <= flips < 1:
        raise ValueError(
            'expected a share of images from 0 to less than 1, got --flips '
            f'{flips}'
        )
    loaded = load_model(model)
    check_supported(loaded)
    paths = [str(path) for path in _some(find_images(images), COMPARED)]
    # a detector resizes to where the shape of its images leads
    shaped = loaded.content.kind == DETECTOR
    inputs = inputs_of(
        loaded.transforms,
        loaded.source,
        partial(_size_of, paths) if shaped else None,
    )
    graph = graph_of(loaded, (inputs.height, inputs.width))
    measured = None if int8 is None else _some(find_images(int8), _CALIBRATED)
    content = loaded.content
    metadata = Metadata(
        kind=content.kind,
        precision=precision,
        input={'height': inputs.height, 'width': inputs.width},
        reading=inputs.reading,
        steps=inputs.steps,
        outputs=dict(graph.outputs),
        model={'type': content.model.get('type'), 'digest': of_file(model)},
        classes=list(content.classes),
        category=content.category,
        threshold=graph.threshold,
        map_threshold=graph.map_threshold,
        chosen=dict(content.chosen),
        geometry=graph.geometry,
        boxes=dict(graph.boxes),
        remarks=[*content.remarks, *graph.remarks],
        licences=list(content.licences),
        vectors=make_vectors(inputs.steps),
        made_with={
            'mmcvgssl': __version__,
            'torch': torch.__version__,
            'opencv': cv2.__version__,
        },
    )
    proto = to_onnx(graph, inputs.height, inputs.width)
    if half and format == 'onnx':
        proto = to_half(proto)
    if measured is not None:
        calibration = _batches(inputs, measured)
        proto = to_int8(proto, calibration, content.kind == CLASSIFIER)
    tolerance = TOLERANCES[precision] if tolerance is None else tolerance

    def files() -> dict[str, bytes]:
        if format == 'onnx':
            return {Path(out).name: onnx_bytes(proto, metadata)}
        xml, weights = openvino_bytes(proto, metadata, half)
        named = Path(out)
        return {named.with_suffix('.bin').name: weights, named.name: xml}

    exported = ExportedPredictor(
        _open(files(), format), batch_size=_BATCH, workers=0
    )
    metadata.checked = {
        **_compare(model, exported, paths, tolerance, flips),
        'images_of': Path(images).name,
    }
    made, folder = files(), Path(out).parent
    make_room(folder, made, f'the exported model in {out}')
    for name, data in made.items():
        atomic_write(folder / name, data)
    return metadata


def _check_options(
    out: str | Path,
    format: str,
    half: bool,
    int8: Any,
    tolerance: float | None,
) -> str:
    """Return the precision."""
    if format not in FORMATS:
        raise ValueError(
            f'expected --format {" or ".join(FORMATS)}, got {format!r}'
        )
    if Path(out).suffix != FORMATS[format]:
        raise ValueError(
            f'expected a file name that ends in {FORMATS[format]} for '
            f'{format}, got --out {str(out)!r}'
        )
    if half and int8 is not None:
        raise ValueError(
            'expected one precision, got --half and --int8; leave one out'
        )
    if tolerance is not None and not 0 < tolerance < 1:
        raise ValueError(
            'expected a tolerance between 0 and 1, a share of the largest '
            f'score, got --tolerance {tolerance}'
        )
    check_file(out, '--out')
    for package in ('onnx', 'onnxscript', 'onnxruntime'):
        require(package)
    if format == 'openvino':
        require('openvino')
    return 'float16' if half else 'float32' if int8 is None else 'int8'


def _some(paths: Sequence[Path], most: int) -> list[Path]:
    return [paths[i] for i in evenly(len(paths), most)]


def _size_of(
    paths: Sequence[str], options: Mapping[str, Any]
) -> tuple[int, int]:
    """Return height and width of the first image that can be read.

    Raises:
        ExportCheckError: If none can be read.
    """
    for path in paths:
        try:
            picture, _ = read_settled(path, **options)
        except UnreadableImageError:
            continue
        return picture.shape[0], picture.shape[1]
    raise ExportCheckError(NONE_READ)


def _open(files: dict[str, bytes], format: str) -> Engine:
    data = [*files.values()]
    if format == 'onnx':
        return OnnxEngine(data[0], 'the exported model')
    return OpenVinoEngine(data[1], data[0], 'the exported model')


def _batches(inputs: Inputs, paths: Sequence[Path]) -> Iterator[np.ndarray]:
    """Read the images on which ranges are measured, one by one."""
    for path in paths:
        picture, _ = read_settled(str(path), **inputs.reading)
        made = prepare(picture, inputs.steps)
        tiles = made if made.ndim == 4 else made[None]
        for first in range(0, len(tiles), _BATCH):
            yield tiles[first : first + _BATCH]


def _compare(
    model: str | Path,
    exported: ExportedPredictor,
    paths: Sequence[str],
    tolerance: float,
    flips: float,
) -> dict[str, Any]:
    """Predict images both ways, and the first one also alone."""
    predictor = Predictor(model, device='cpu', batch_size=_BATCH, workers=0)
    for part in predictor.model.modules():
        if isinstance(part, MuSc):
            # a graph does not know which image is one of the references
            known = part.state['identities']
            part.state['identities'] = torch.full_like(known, -1)
    expected = [*predictor(paths)]
    together = [*exported(paths)]
    found = compare(expected, together, tolerance, flips)
    # one image by itself as among others
    some = [p for p in together if p.is_read and getattr(p, 'boxes', True)]
    alone = exported([p.path for p in some[:1]])
    compare(some[:1], alone, tolerance)
    return found
