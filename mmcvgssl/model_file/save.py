"""Writing model files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmcvgssl.model_file import anomaly
from mmcvgssl.model_file.content import ModelFile, check_name
from mmcvgssl.models.anomaly import AnomalyModel


def save_anomaly_model(
    path: str | Path,
    model: AnomalyModel,
    config: Mapping[str, Any],
    steps: Sequence[Mapping[str, Any]],
    category: str = '',
    whole: bool = False,
    licences: Sequence[str] = (),
) -> ModelFile:
    """Write a fitted anomaly model to a file that predicts by itself.

    Args:
        path: Ends in ``.safetensors``; written whole or not at all.
        model: The model, fitted.
        config: What it was built of.
        steps: Transforms from a path to the input, see
            :func:`prediction_steps`.
        category: What the images are of.
        whole: Store the weights of installed packages, too, so that the
            packages are not needed.
        licences: Further terms, one text each.

    Returns:
        What was written.

    Raises:
        FittedStateError: If the model is not fitted.
        ModelFileError: If the model was made around a module.
        ValueError: If the name ends otherwise.
        mmcvgssl.weights.WeightsError: If the config names what no file may.
    """
    check_name(path)
    content = anomaly.to_file(model, config, steps, category, whole, licences)
    content.write(path)
    return content
