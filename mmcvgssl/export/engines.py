"""What runs exported files: ONNX Runtime and OpenVINO.

Needs neither torch nor a host.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol
from xml.etree import ElementTree

import numpy as np

from mmcvgssl.compat import require
from mmcvgssl.export.metadata import (
    KEY,
    ExportedFileError,
    Metadata,
    check_seal,
)

ONNX, OPENVINO = '.onnx', '.xml'
SUFFIXES = (ONNX, OPENVINO)
_WEIGHTS = 'sha256 of .bin'  # in `checked` of an OpenVINO file


class Engine(Protocol):
    """A loaded graph with its metadata."""

    metadata: Metadata

    def run(self, images: np.ndarray) -> Mapping[str, np.ndarray]:
        """Return outputs by name of images, RGB uint8 [N, H, W, 3]."""


class OnnxEngine:
    """ONNX Runtime on the CPU.

    Args:
        data: Content of an exported ``.onnx`` file.
        source: The file, for messages.
        threads: Threads that compute; 0: as many as there are cores.
    """

    def __init__(self, data: bytes, source: str, threads: int = 0) -> None:
        require('onnxruntime')
        import onnxruntime

        check_seal(data, source)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors
        self.session = onnxruntime.InferenceSession(
            data, options, providers=['CPUExecutionProvider']
        )
        notes = self.session.get_modelmeta().custom_metadata_map
        self.metadata = Metadata.from_json(notes.get(KEY), source)
        self._input = self.session.get_inputs()[0].name
        self._outputs = [item.name for item in self.session.get_outputs()]

    def run(self, images: np.ndarray) -> Mapping[str, np.ndarray]:
        """Return outputs by name of images, RGB uint8 [N, H, W, 3]."""
        made = self.session.run(self._outputs, {self._input: images})
        return dict(zip(self._outputs, made, strict=True))


class OpenVinoEngine:
    """OpenVINO on the CPU.

    Args:
        data: Content of an exported ``.xml`` file.
        weights: Content of the ``.bin`` file beside it.
        source: The file, for messages.
        threads: Threads that compute; 0: as OpenVINO chooses.
    """

    def __init__(
        self, data: bytes, weights: bytes, source: str, threads: int = 0
    ) -> None:
        require('openvino')
        import openvino

        check_seal(data, source)
        self.metadata = Metadata.from_json(_note_in(data), source)
        found = hashlib.sha256(weights).hexdigest()
        if found != self.metadata.checked.get(_WEIGHTS):
            raise ExportedFileError(
                f'{source}: the .bin file beside it is not the one that was '
                'exported; copy both files again, or export the model anew'
            )
        core = openvino.Core()
        model = core.read_model(data, weights)
        settings: dict[str, Any] = {
            # else it computes in bfloat16 where the processor can
            'INFERENCE_PRECISION_HINT': 'f32',
        }
        if threads:
            settings['INFERENCE_NUM_THREADS'] = threads
        self.compiled = core.compile_model(model, 'CPU', settings)
        wanted = self.metadata.outputs
        # an output can have further names
        self._outputs = [
            next(name for name in sorted(item.names) if name in wanted)
            for item in self.compiled.outputs
        ]

    def run(self, images: np.ndarray) -> Mapping[str, np.ndarray]:
        """Return outputs by name of images, RGB uint8 [N, H, W, 3]."""
        made = self.compiled([images])
        return {
            name: np.array(made[i]) for i, name in enumerate(self._outputs)
        }


def _note_in(data: bytes) -> str | None:
    """Return our note in an ``.xml`` file, if it is one and has some."""
    try:
        entry = ElementTree.fromstring(data).find(f'rt_info/{KEY}')
    except ElementTree.ParseError:
        return None
    return None if entry is None else entry.get('value')


def note_weights(metadata: Metadata, weights: bytes) -> None:
    """Add the digest of OpenVINO's ``.bin`` file to the metadata."""
    metadata.checked[_WEIGHTS] = hashlib.sha256(weights).hexdigest()


def is_exported(path: str | Path) -> bool:
    """Whether a path has the suffix of an exported model."""
    return Path(path).suffix.lower() in SUFFIXES


def open_engine(path: str | Path, threads: int = 0) -> Engine:
    """Read an exported file.

    Args:
        path: ``.onnx``, or ``.xml`` with the ``.bin`` file beside it.
        threads: Threads that compute; 0: as the library chooses.

    Raises:
        FileNotFoundError: If a file is missing.
        ExportedFileError: If it is something else, of another version, or
            its bytes have changed.
        ModuleNotFoundError: If what runs it is not installed: says how to
            install it.
    """
    file = Path(path)
    if not is_exported(file):
        raise ExportedFileError(
            f'expected an exported model, {" or ".join(SUFFIXES)}, got '
            f'{file.name!r}: export a model file by mmcvgssl export'
        )
    if not file.is_file():
        raise FileNotFoundError(f'expected an exported model, found no {file}')
    data = file.read_bytes()
    if file.suffix.lower() == ONNX:
        return OnnxEngine(data, str(file), threads)
    weights = file.with_suffix('.bin')
    if not weights.is_file():
        raise FileNotFoundError(
            f'{file} needs {weights.name} beside it, which holds the '
            'weights: copy both files'
        )
    return OpenVinoEngine(data, weights.read_bytes(), str(file), threads)
