"""Exported files: from a graph of ONNX to sealed bytes."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mmcvgssl.compat import require
from mmcvgssl.export.engines import note_weights
from mmcvgssl.export.graph import INPUT
from mmcvgssl.export.metadata import EMPTY_SEAL, KEY, SEAL, Metadata, seal

_IN_FLOAT = 3  # convolutions of the stem, which int8 leaves as they are
_IN_INT8 = ('Conv', 'Clip', 'Relu')
_WITHIN = 99.99  # percent of the values that most are
_LARGEST = (1 << 31) - (1 << 20)  # bytes that a file of ONNX can have


def to_half(proto: Any) -> Any:
    """Store weights and compute in float16; input and outputs stay.

    Args:
        proto: An ``onnx.ModelProto``.
    """
    require('onnxruntime')
    from onnxruntime.transformers.float16 import convert_float_to_float16

    return convert_float_to_float16(proto, keep_io_types=True)


def to_int8(
    proto: Any, images: Iterator[np.ndarray], classifier: bool = False
) -> Any:
    """Compute convolutions in 8 bits; all else stays in float32.

    A memory of patches, densities, calibration and scores keep their
    precision, and so do the first convolutions, whose few channels differ
    most, sums of branches, and the last quarter of those of a classifier,
    whose probabilities a little noise moves. Weights are quantised by
    channel, activations by the range that they have on the images: behind a
    ReLU, so that 8 bits are not spent on what it cuts off. A classifier's
    range leaves out a ten-thousandth of them, as a few outliers would cost
    all others their precision; anomalies are outliers themselves.

    Args:
        proto: An ``onnx.ModelProto``.
        images: Inputs [N, H, W, 3] to measure ranges on.
        classifier: Whether it gives probabilities of classes.

    Raises:
        ValueError: If the model has too few convolutions to gain from.
    """
    require('onnxruntime')
    import onnx
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
    from onnxruntime.quantization.shape_inference import quant_pre_process

    convolutions = [
        node.name for node in proto.graph.node if node.op_type == 'Conv'
    ]
    if len(convolutions) <= _IN_FLOAT:
        raise ValueError(
            f'int8 is for networks of more than {_IN_FLOAT} convolutions, '
            f'and this model has {len(convolutions)}; '
            'export it in float32 or with --half'
        )
    with tempfile.TemporaryDirectory() as folder:
        plain, ready = Path(folder, 'plain.onnx'), Path(folder, 'ready.onnx')
        onnx.save(proto, plain)
        with _quiet():
            quant_pre_process(plain, ready, skip_symbolic_shape=True)
            measured = Path(folder, 'measured.onnx')
            ranges = _ranges(ready, measured, images, classifier)
            quantizer = QDQQuantizer(
                onnx.load(ready),
                per_channel=True,
                reduce_range=False,
                weight_qType=QuantType.QInt8,
                activation_qType=QuantType.QUInt8,
                tensors_range=ranges,
                nodes_to_quantize=[],
                nodes_to_exclude=_in_float(ready, classifier),
                op_types_to_quantize=list(_IN_INT8),
                extra_options={},
            )
            quantizer.quantize_model()
        return quantizer.model.model


def _ranges(
    ready: Path, measured: Path, images: Iterator[np.ndarray], most: bool
) -> Any:
    """Measure ranges of all or of most activations, image by image."""
    from onnxruntime.quantization import CalibrationMethod
    from onnxruntime.quantization.calibrate import (
        CalibrationDataReader,
        create_calibrator,
    )

    class One(CalibrationDataReader):
        def __init__(self, image: np.ndarray) -> None:
            self.left = [image]

        def get_next(self) -> dict[str, np.ndarray] | None:
            return {INPUT: self.left.pop()} if self.left else None

    calibrator = create_calibrator(
        ready,
        list(_IN_INT8),
        augmented_model_path=str(measured),
        calibrate_method=(
            CalibrationMethod.Percentile if most else CalibrationMethod.MinMax
        ),
        extra_options={'percentile': _WITHIN} if most else {},
    )
    with contextlib.redirect_stdout(io.StringIO()):  # it tells of each step
        for batch in images:
            for image in batch:
                # histograms alone are kept, not the values of all images
                calibrator.collect_data(One(image[None]))
        return calibrator.compute_data()


def _in_float(file: Path, classifier: bool) -> list[str]:
    """Name convolutions that keep their precision, of a graph in order."""
    import onnx

    nodes = onnx.load(file, load_external_data=False).graph.node
    found = [node.name for node in nodes if node.op_type == 'Conv']
    last = found[-(len(found) // 4) :] if classifier else []
    return [*found[:_IN_FLOAT], *last]


def onnx_bytes(proto: Any, metadata: Metadata) -> bytes:
    """Return a file of ONNX with metadata and digest.

    Args:
        proto: An ``onnx.ModelProto``; its own metadata is replaced.
        metadata: What the file says of itself.

    Raises:
        ValueError: If it is larger than a file of ONNX can be.
    """
    if proto.ByteSize() > _LARGEST:
        raise ValueError(
            f'the graph has {proto.ByteSize() / 1e9:.1f} GB, and a file of '
            'ONNX holds 2 GB; fit the model with a smaller memory '
            '(coreset_size, references) or a coarser grid'
        )
    del proto.metadata_props[:]
    for key, value in ((KEY, metadata.to_json()), (SEAL, EMPTY_SEAL)):
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, value
    return seal(proto.SerializeToString())


def openvino_bytes(
    proto: Any, metadata: Metadata, half: bool
) -> tuple[bytes, bytes]:
    """Return OpenVINO's ``.xml`` and ``.bin`` with metadata and digest.

    Args:
        proto: An ``onnx.ModelProto``.
        metadata: What the file says of itself; it gets the digest of
            ``.bin``.
        half: Store weights in float16.
    """
    require('openvino')
    import onnx
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        plain, made = Path(folder, 'plain.onnx'), Path(folder, 'model.xml')
        onnx.save(proto, plain)
        model = openvino.convert_model(plain)

        def save() -> bytes:
            openvino.save_model(model, made, compress_to_fp16=half)
            return made.with_suffix('.bin').read_bytes()

        weights = save()
        note_weights(metadata, weights)
        model.set_rt_info(metadata.to_json(), [KEY])
        model.set_rt_info(EMPTY_SEAL, [SEAL])
        if save() != weights:
            raise RuntimeError(
                'OpenVINO wrote other weights the second time; export the '
                'model to ONNX'
            )
        return seal(made.read_bytes()), weights


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep ONNX Runtime's advice about its own steps from the terminal."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
