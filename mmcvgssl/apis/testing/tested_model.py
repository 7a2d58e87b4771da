"""What is tested: the model of a file, or that of a config."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from mmengine.config import Config

from mmcvgssl.apis.export_model import THRESHOLD
from mmcvgssl.apis.prediction.notes import Notes
from mmcvgssl.apis.prediction.torch_model import (
    describe,
    made_by,
    notes_of,
    notes_of_model,
)
from mmcvgssl.engine.fit_provenance import of_transforms
from mmcvgssl.model_file import LoadedModel
from mmcvgssl.model_file.detector import KIND as DETECTOR
from mmcvgssl.provenance import (
    Provenance,
    of_bytes,
    of_config,
    of_file,
    of_versions,
)
from mmcvgssl.utils import printable


class TestedModel(Protocol):
    """Says of a model what predictions need, to be understood later."""

    def notes(self, kind: str, classes: Sequence[str], model: Any) -> Notes:
        """Return what predictions mean, of a kind and of classes."""

    def describe(self, kind: str) -> dict[str, Any]:
        """Return which model it is, as JSON can hold it."""

    def made_by(self) -> Provenance:
        """Return what predictions depend on beside images."""


class TestedFile:
    """The model of a model file.

    Args:
        loaded: The model.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        self.loaded, self.file = loaded, Path(loaded.source)

    def notes(self, kind: str, classes: Sequence[str], model: Any) -> Notes:
        """Return what the file says."""
        return notes_of(self.loaded)

    def describe(self, kind: str) -> dict[str, Any]:
        """Return which model it is, as JSON can hold it."""
        return describe(self.loaded.content, self.file, self._digest())

    def made_by(self) -> Provenance:
        """Return what predictions depend on beside images."""
        content = self.loaded.content
        return made_by(content, self._digest(), content.images['pipeline'])

    def _digest(self) -> str:
        if self.file.is_file():
            return of_file(self.file)
        return of_bytes(self.loaded.content.to_bytes())


class TestedConfig:
    """The model of a config.

    Args:
        cfg: The config.
        checkpoint: Its checkpoint; None for what is fitted.
    """

    def __init__(self, cfg: Config, checkpoint: str | None) -> None:
        self.cfg, self.checkpoint = cfg, checkpoint

    def notes(self, kind: str, classes: Sequence[str], model: Any) -> Notes:
        """Return what model and data set say."""
        least = THRESHOLD if kind == DETECTOR else None
        category = self.cfg.get('category') or ''
        return notes_of_model(kind, model, classes, str(category), least)

    def describe(self, kind: str) -> dict[str, Any]:
        """Return which model it is, as JSON can hold it."""
        return {
            'file': printable(Path(self.cfg.filename or '').name),
            'checkpoint': self.checkpoint and printable(self.checkpoint),
            'kind': kind,
            'type': str(self.cfg.model.get('type')),
        }

    def made_by(self) -> Provenance:
        """Return what predictions depend on beside images."""
        values: dict[str, Any] = {
            'model': of_config(self.cfg.model),
            'transforms': of_transforms(self.cfg.test_dataloader),
        }
        if self.checkpoint is not None:
            file = Path(self.checkpoint)
            is_here = file.is_file()
            values['checkpoint'] = of_file(file) if is_here else str(file)
        return Provenance(values) | of_versions(self.cfg.model)
