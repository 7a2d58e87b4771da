"""What a file of a whole detector may say, checked before it is believed."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mmengine.logging import print_log
from torch import Tensor

from mmcvgssl.models.anomaly.fitted_state import (
    FittedStateError,
    part_of,
    read_notes,
    read_tensors,
)
from mmcvgssl.weights import WeightsError
from mmcvgssl.weights.plain_values import check_plain
from mmcvgssl.weights.safe_config import check_backbone, check_transforms

# of the settings, not arguments of the constructor
NOTES = ('model', 'calibration', 'weights', 'fit_images')
# what a file may not choose
_OWN = ('checkpoint', 'init_backbone', 'data_preprocessor', 'init_cfg')


def read_model_file(
    path: Path, kind: type
) -> tuple[bytes, dict[str, Any], dict[str, Any], dict[str, Tensor]]:
    """Read a model file and check all of it but the tensors.

    Args:
        path: The file.
        kind: The class that is to be made of it.

    Returns:
        The file's bytes, settings, what it tells beside them, and the
        backbone's tensors.

    Raises:
        FileNotFoundError: If the file is missing.
        FittedStateError: If it is something else or cut off.
        mmcvgssl.weights.WeightsError: If a setting is more than plain data.
    """
    if not path.is_file():
        raise FileNotFoundError(f'no model file {path}')
    data = path.read_bytes()
    try:
        tensors, notes = read_tensors(data), read_notes(data)
        settings = notes['settings']
        name = settings['model']
    except Exception as error:
        raise FittedStateError(
            f'{path} is no model file of tools/one_class.py: {error!r:.300}; '
            'pass its model.safetensors'
        ) from error
    if name != kind.__name__:
        raise FittedStateError(
            f'{path} holds what a {name!s:.40} has learned, not a whole '
            f'{kind.__name__}; pass the model.safetensors of '
            'tools/one_class.py'
        )
    extra = notes.get('extra', {})
    if not isinstance(extra, dict):
        raise FittedStateError(
            f'{path}: expected a dict as `extra`, got {extra!r:.40}; write '
            'the file anew by tools/one_class.py'
        )
    _check_options(settings, kind, str(path))
    return data, settings, extra, part_of(tensors, 'backbone')


def _check_options(
    settings: Mapping[str, Any], kind: type, source: str
) -> None:
    known = {*inspect.signature(kind).parameters} - {*_OWN}
    unknown = sorted({*settings} - known - {*NOTES})
    if unknown or 'backbone' not in settings:
        wrong = f'has {unknown[0]!r:.60}' if unknown else 'lacks `backbone`'
        raise FittedStateError(
            f'{source} {wrong}, which is no setting of {kind.__name__} in '
            'this version; write the file anew by tools/one_class.py'
            if unknown
            else f'{source} {wrong}; write it anew by tools/one_class.py'
        )
    if not isinstance(settings['backbone'], dict):
        raise FittedStateError(
            f'{source} was made around a module, '
            f'{settings["backbone"]!r:.60}, not a config: build it yourself '
            'and call load_fitted()'
        )
    for key in known - {'backbone'}:
        if key in settings:
            check_plain(settings[key], source, key)


def say_if_unreadable(backbone: Any, steps: Any) -> None:
    """Warn of a model file that could be written, but not be read by itself.

    Args:
        backbone: The backbone's config.
        steps: The transforms of the test.
    """
    for check, part, fix in (
        (check_backbone, backbone, 'build it yourself and call load_fitted()'),
        (check_transforms, steps, 'pass the config to tools/predict.py'),
    ):
        try:
            check(part, 'a model file')  # type: ignore[operator]
        except WeightsError as error:
            print_log(
                f'the model file will not be enough to read it: {fix} '
                f'({error})',
                logger='current',
                level=logging.WARNING,
            )


def build_of(make: Callable[[], Any], source: str) -> Any:
    """Make a model of settings that a file gives.

    Raises:
        FittedStateError: If the settings are no settings.
    """
    try:
        return make()
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise FittedStateError(
            f'{source}: expected settings of a detector, got some that '
            f'cannot be used: {" ".join(str(error).split())[:300]}; write the '
            'file anew by tools/one_class.py'
        ) from error
