"""Reading model files: the model and its transforms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from mmcvgssl.model_file import anomaly, classifier, detector
from mmcvgssl.model_file.model_file import ModelFile
from mmcvgssl.utils import printable
from mmcvgssl.weights.safe_build import build_transforms

# functions that build the model of a file, by kind
_BUILDERS: Mapping[str, Callable[[ModelFile, str], Any]] = {
    anomaly.KIND: anomaly.from_file,
    classifier.KIND: classifier.from_file,
    detector.KIND: detector.from_file,
}


@dataclass
class LoadedModel:
    """A model that was read from a file.

    Args:
        model: Ready to predict, on the CPU.
        transforms: Built; from ``img_path`` (and ``category``) to the input.
        content: Content of the file.
        source: The file, for messages.

    Example:
        >>> loaded = load_model('model.safetensors')
        >>> type(loaded.model).__name__, len(loaded.transforms)
        ('OneClassDetector', 3)
    """

    model: nn.Module
    transforms: list[Any]
    content: ModelFile
    source: str = 'the model file'


def load_model(path: str | Path) -> LoadedModel:
    """Read a model file; all of it is checked before anything is built.

    Args:
        path: Path of a model of any kind.

    Raises:
        FileNotFoundError: If the file is missing.
        ModelFileError: If it is something else, cut off, of another version,
            or needs other weights than are there.
        FittedStateError: If its parts do not belong together.
        mmcvgssl.weights.WeightsError: If it names what no file may name, or
            holds NaN.
        ModuleNotFoundError: If a package that it needs is not installed.

    Example:
        >>> loaded = load_model('model.safetensors')
        >>> loaded.content.kind, loaded.model.fitted
        ('anomaly', True)
    """
    return build_model(ModelFile.read(path), printable(str(path)))


def build_model(content: ModelFile, source: str) -> LoadedModel:
    """Build the model that a file describes, and its transforms.

    Args:
        content: Content of the file.
        source: The file, for messages.

    Raises:
        ModelFileError: If it cannot be built; else as :func:`load_model`.

    Example:
        >>> content = ModelFile.read('model.safetensors')
        >>> build_model(content, 'the model').model.fitted
        True
    """
    transforms = build_transforms(content.images.get('pipeline'), source)
    model = _BUILDERS[content.kind](content, source)
    return LoadedModel(model.eval(), transforms, content, source)


def loaded_model(
    model: nn.Module, content: ModelFile, source: str
) -> LoadedModel:
    """Return a model that is there already, as if read from a file.

    Args:
        model: The model that ``content`` describes.
        content: Content of the file.
        source: What it is called in messages.

    Example:
        >>> known = load_model('model.safetensors')
        >>> again = loaded_model(known.model, known.content, 'mine')
        >>> len(again.transforms), again.source
        (3, 'mine')
    """
    transforms = build_transforms(content.images.get('pipeline'), source)
    return LoadedModel(model.eval(), transforms, content, source)
