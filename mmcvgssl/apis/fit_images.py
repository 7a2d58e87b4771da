"""Fitting a shipped recipe to images of any kind, and updating a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import MODELS

from mmcvgssl.apis.device import choose_device
from mmcvgssl.apis.fit import fitted_content, read_images, settle_fit
from mmcvgssl.apis.image_files import ImageFiles, listed
from mmcvgssl.apis.inference.inputs import Inputs
from mmcvgssl.apis.prediction.find_images import is_list
from mmcvgssl.apis.prediction.workers import workers_for
from mmcvgssl.apis.recipes import get_config, list_models
from mmcvgssl.engine.fitting import Fitting
from mmcvgssl.model_file import LoadedModel, loaded_model
from mmcvgssl.runner.undisturbed import undisturbed

# recipes by the method's name, in small letters and without hyphens
METHODS = {
    'patchcore': 'patchcore_lite0_folder',
    'padim': 'padim_lite0_folder',
    'mahalanobisad': 'mahalanobis-ad_lite0_folder',
    'musc': 'musc_lite0_folder',
    'mapensemble': 'map-ensemble_lite0_folder',
}
_SHOWN = 'patchcore, padim, mahalanobis-ad, musc, map-ensemble'


def fit_images(
    images: Inputs,
    method: str = 'patchcore',
    false_alarm_rate: float | str | None = None,
    options: dict[str, Any] | None = None,
    device: str | None = None,
    show_progress: bool = True,
) -> LoadedModel:
    """Fit an anomaly model, as mmcvgssl fit does; see there for all options.

    Nothing is written, but pictures in memory for as long as it takes.

    Args:
        images: Good images, or a collection for methods that learn from one:
            see :class:`~mmcvgssl.apis.AnomalyInspector`.
        method: Name of a method, or of a recipe of
            ``list_models('anomaly/*')``.
        false_alarm_rate: See :func:`~mmcvgssl.apis.fit.fit_model`.
        options: Settings of the recipe, such as ``{'input_size': 320}``.
        device: Device of the model; by default the GPU, if there is one.
        show_progress: Show a bar for each pass over the images.

    Raises:
        FileNotFoundError: If there is no such file.
        TypeError: If something can be no image.
        UnreadableImageError: If an image cannot be read.
        ValueError: If there is no such method, it trains a network, there is
            no image, or there are too few for the rate.
    """
    cfg = _recipe(method, options)
    device = str(choose_device(device))
    with undisturbed(cfg.get('default_scope', 'mmpretrain')):
        if isinstance(images, (str, Path)) and not _is_image(Path(images)):
            read_images(cfg, Path(images))
            return _fitted(cfg, false_alarm_rate, device, show_progress)
        with ImageFiles() as files:
            paths = files.paths(images, 'images to fit to')
            loader = cfg.fit_dataloader
            steps = loader.dataset.pipeline
            loader.dataset = ConfigDict(listed(paths, steps))
            on_cpu = torch.device(device).type == 'cpu'
            loader.num_workers = workers_for(len(paths), None, on_cpu)
            return _fitted(cfg, false_alarm_rate, device, show_progress)


def _fitted(
    cfg: Config,
    false_alarm_rate: float | str | None,
    device: str,
    show_progress: bool,
) -> LoadedModel:
    steps = settle_fit(cfg, false_alarm_rate)
    model = MODELS.build(cfg.model)
    model.to(device)
    Fitting(model, cfg, None, bar=show_progress).run()
    content = fitted_content(model, cfg, steps)
    return loaded_model(model, content, f'the fitted {type(model).__name__}')


def _recipe(method: str, options: dict[str, Any] | None) -> Config:
    """Return the config of a method.

    Raises:
        ValueError: If there is none, or it trains a network.
    """
    if not isinstance(method, str):
        raise ValueError(f'expected a method of {_SHOWN}, got {method!r}')
    name = METHODS.get(method.lower().replace('-', '').replace('_', ''))
    trains = method.lower().startswith('cutpaste')
    if name is None and not trains:
        if method not in list_models('anomaly/*'):
            raise ValueError(
                f'expected a method of {_SHOWN}, or a recipe of '
                f"list_models('anomaly/*'), got {method!r}"
            )
        name = method
    cfg = None if name is None else get_config(name, options)
    if cfg is None or cfg.get('detector'):
        raise ValueError(
            f'{method} trains a network, which takes longer than a fit: '
            'train and fit it by mmcvgssl one-class or mmcvgssl fit with a '
            'recipe of configs/anomaly/cutpaste, and pass the model file that '
            'it writes to AnomalyInspector'
        )
    return cfg


def _is_image(path: Path) -> bool:
    """Whether a path is that of one image, not of a folder or a list."""
    return path.is_file() and not is_list(path)
