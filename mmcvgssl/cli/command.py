"""The table of verbs."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType


@dataclass(frozen=True)
class Command:
    """A verb, of the module of :mod:`mmcvgssl.cli` that is called as it is.

    Args:
        group: What it is good for.
        verb: Its name.
        help: One line.
    """

    group: str
    verb: str
    help: str

    def load(self) -> ModuleType:
        """Import the module, which imports what it needs when it runs."""
        return import_module(f'mmcvgssl.cli.{self.verb.replace("-", "_")}')


_LEARN, _FIND = 'Learn', 'Find defects'
_EXPORT, _AROUND = 'Export', 'Images and installation'
_LINES = (
    (_LEARN, 'train', 'train what a config describes'),
    (_LEARN, 'fit', 'fit an anomaly model, and write it to one file'),
    (_LEARN, 'few-shot', 'evaluate features with few labels; a classifier'),
    (_LEARN, 'one-class', 'train and test one-class detectors by category'),
    (_LEARN, 'self-train', 'boxes of a detector, to train it again with'),
    (_LEARN, 'pipeline', 'from unlabelled images to a detector, all stages'),
    (_FIND, 'predict', 'predict images by a model file'),
    (_FIND, 'serve', 'a page in the browser: predict, label a little'),
    (_FIND, 'test', 'measure a model on labelled images'),
    (_FIND, 'maps', 'write an anomaly map for each image'),
    (_FIND, 'boxes', 'cut boxes from anomaly maps'),
    (_FIND, 'report', 'one HTML page about the results of runs'),
    (_EXPORT, 'export', 'a model file as a graph of ONNX or OpenVINO'),
    (_EXPORT, 'export-model', 'a trained detector as a model file'),
    (_EXPORT, 'export-backbone', 'a trained backbone for another package'),
    (_AROUND, 'prepare', 'write the lists of images that configs read'),
    (_AROUND, 'browse', 'pictures of what a pipeline really feeds'),
    (_AROUND, 'check', 'find copies, wrong labels, broken files and boxes'),
    (_AROUND, 'select', 'name the images worth labelling first'),
    (_AROUND, 'env', 'versions, devices and teachers of this machine'),
)
COMMANDS = {line[1]: Command(*line) for line in _LINES}
