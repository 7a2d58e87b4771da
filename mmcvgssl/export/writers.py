"""Exported files: from a graph of ONNX to sealed bytes."""

from __future__ import annotations

import contextlib
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
_LARGEST = (1 << 31) - (1 << 20)  # bytes that a file of ONNX can have


def to_half(proto: Any) -> Any:
    """Store weights and compute in float16; input and outputs stay.

    Args:
        proto: An ``onnx.ModelProto``.
    """
    require('onnxruntime')
    from onnxruntime.transformers.float16 import convert_float_to_float16

    return convert_float_to_float16(proto, keep_io_types=True)


def to_int8(proto: Any, images: Iterator[np.ndarray]) -> Any:
    """Compute convolutions in 8 bits; all else stays in float32.

    A memory of patches, densities, calibration and scores keep their
    precision, and so do the first convolutions, whose few channels differ
    most, and sums of branches. Weights are quantised by channel, activations
    by the range that they have on the images: behind a ReLU, so that 8 bits
    are not spent on what it cuts off.

    Args:
        proto: An ``onnx.ModelProto``.
        images: Inputs [N, H, W, 3] to measure ranges on.

    Raises:
        ValueError: If the model has too few convolutions to gain from.
    """
    require('onnxruntime')
    import onnx
    from onnxruntime import quantization
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

    class Reader(quantization.CalibrationDataReader):
        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(images, None)
            return None if batch is None else {INPUT: batch}

    with tempfile.TemporaryDirectory() as folder:
        plain, made = Path(folder, 'plain.onnx'), Path(folder, 'int8.onnx')
        onnx.save(proto, plain)
        ready = Path(folder, 'ready.onnx')
        with _quiet():
            quant_pre_process(plain, ready, skip_symbolic_shape=True)
            quantization.quantize_static(
                ready,
                made,
                Reader(),
                quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=['Conv', 'Clip', 'Relu'],
                nodes_to_exclude=_first_convolutions(ready),
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
            )
        return onnx.load(made)


def _first_convolutions(file: Path) -> list[str]:
    """Name those that keep their precision, of a graph in order."""
    import onnx

    nodes = onnx.load(file, load_external_data=False).graph.node
    found = [node.name for node in nodes if node.op_type == 'Conv']
    return found[:_IN_FLOAT]


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
