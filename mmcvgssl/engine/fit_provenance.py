"""Provenance of a fitted state, without the images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmcvgssl.engine.hook_stages import hooks_in_tests, named_options
from mmcvgssl.models.anomaly import AnomalyModel, FittedStateError
from mmcvgssl.models.anomaly.fitted_state import provenance_of
from mmcvgssl.provenance import (
    Provenance,
    of_config,
    of_versions,
    require_same,
)


def of_model(model: AnomalyModel, cfg: Config) -> Provenance:
    """Return what a map generator's maps depend on, images aside."""
    data = cfg.model.get('data_preprocessor') or cfg.get('data_preprocessor')
    values = {'model': model.settings, 'data_preprocessor': of_config(data)}
    # hooks of the user may change anything
    hooks = named_options(hooks_in_tests(cfg))
    if hooks:
        values['custom_hooks'] = of_config(hooks)
    if cfg.get('test_cfg'):
        values['test_cfg'] = of_config(cfg.test_cfg)
    return Provenance(values) | of_versions(cfg.model)


def of_transforms(loader: dict) -> list[Any]:
    """Return the steps of a loader's data set that change its images."""
    steps: Sequence[dict] = loader['dataset'].get('pipeline') or ()
    return [
        of_config(step)
        for step in steps
        if not str(step['type']).endswith(('LoadMask', 'PackInputs'))
    ]


def read_foreign(model: AnomalyModel, path: Path, cfg: Config) -> Provenance:
    """Read a state that is given, and compare how images are read.

    Raises:
        FileNotFoundError: If there is no such file.
        FittedStateError: If it is of other settings, weights or transforms.
    """
    model.load_fitted(path)
    theirs = model.provenance
    if theirs is None:
        return provenance_of({}, str(path))  # raises
    source = cfg.get('test_dataloader') or cfg.get('fit_dataloader')
    if source is not None:
        ours = Provenance({'transforms': of_transforms(source)})
        steps = Provenance()
        steps.values = {
            k: v
            for k, v in theirs.values.items()
            if k.startswith('transforms')
        }
        require_same(ours, steps, str(path), error=FittedStateError)
    return theirs
