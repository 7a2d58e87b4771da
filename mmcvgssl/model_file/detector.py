"""Detectors of mmdet and mmyolo to and from a model file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import ConfigDict
from torch import Tensor, nn

from mmcvgssl.model_file import frozen
from mmcvgssl.model_file.classes import check_names
from mmcvgssl.model_file.model_file import ModelFile, ModelFileError
from mmcvgssl.model_file.safe_detector import check_detector
from mmcvgssl.model_file.steps import images_of
from mmcvgssl.models.class_counts import check_heads
from mmcvgssl.registry import MODELS
from mmcvgssl.weights.safe_build import build_within

KIND = 'detector'
THRESHOLD = 'score_threshold'
# settings that hosts take as tuples alone, where JSON has lists
_TUPLES = frozenset(
    {'basesize_ratio_range', 'neg_iou_thr', 'order', 'pretrain_img_size'}
)


def to_file(
    model: nn.Module,
    config: Mapping[str, Any],
    steps: Sequence[Mapping[str, Any]],
    classes: Sequence[str],
    score_threshold: float = 0.3,
    checkpoint: str = '',
    provenance: dict[str, Any] | None = None,
    licences: Sequence[str] = (),
) -> ModelFile:
    """Describe a trained detector, so that a file alone gives the same boxes.

    Args:
        model: The detector, with its weights.
        config: Config that the detector was built from, with ``_scope_``.
        steps: Transforms from a path to the model's input, settled.
        classes: Names, by index.
        score_threshold: Boxes below it are not shown, in [0, 1].
        checkpoint: Source of the weights, for people.
        provenance: Provenance of the file, by name.
        licences: Further terms, one text each.

    Raises:
        ModelFileError: If the model was made around a module, or a number or
            name is not one.
        ValueError: If the classes are not those of the model.
        mmcvgssl.weights.WeightsError: If the config names what no file may.
    """
    source = f'a model file of {type(model).__name__}'
    checked = check_detector(frozen.plain_config(config), source)
    images = images_of(steps, source)
    _check_notes(classes, score_threshold, source)
    check_heads(model, classes, source)
    named = {'checkpoint': checkpoint}
    weights, tensors, terms = frozen.describe({'': model}, named)
    if 'mmyolo' in json.dumps([checked, list(steps)]):
        terms.append('mmyolo, which the detector needs: GPL-3.0')
    return ModelFile(
        kind=KIND,
        model=checked,
        images=images,
        tensors=tensors,
        weights=weights,
        classes=list(classes),
        settings={THRESHOLD: score_threshold},
        provenance=provenance,
        licences=[*licences, *terms],
    )


def from_file(content: ModelFile, source: str) -> nn.Module:
    """Build the detector that a file describes.

    Args:
        content: Content of kind ``'detector'``.
        source: The file, for messages.

    Raises:
        ModelFileError: If parts of the file do not belong together.
        ValueError: If the classes are not those of the model.
        mmcvgssl.weights.WeightsError: If it names what no file may name.
        ModuleNotFoundError: If a package that it needs is not installed.
    """
    frozen.check_parts([''], content.weights, source)
    _check_notes(
        content.classes, content.settings.get(THRESHOLD), source, read=True
    )
    frozen.check_tensors(content, source)
    if not all(part.stored for part in content.weights):
        raise ModelFileError(
            f'{source}: expected the weights of the detector in the file, '
            'got none; write the file anew'
        )
    model: Any = build(content.model, frozen.measured_by(content, {}), source)
    frozen.take_weights({'': model}, content, source)
    check_heads(model, content.classes, source)
    model.dataset_meta = {'classes': tuple(content.classes)}
    return model


def build(
    config: Any, tensors: Mapping[str, Tensor], source: str
) -> nn.Module:
    """Build a detector that a file describes, without its weights.

    Args:
        config: Config of the file; checked here.
        tensors: Tensors of the file; the detector is not larger than they are.
        source: The file, for messages.

    Raises:
        mmcvgssl.weights.WeightsError: If it names what no file may name.
        ModuleNotFoundError: If a package that it needs is not installed.
    """
    checked = check_detector(config, source)
    # hosts read options as attributes
    settings = ConfigDict(_as_hosts_take(checked))
    return build_within(lambda: MODELS.build(settings), tensors, source)


def _check_notes(
    classes: Sequence[str], threshold: Any, source: str, read: bool = False
) -> None:
    check_names(classes, len(classes) or 1, source)
    is_number = type(threshold) in (int, float)
    if not is_number or not 0 <= threshold <= 1:
        fix = 'write the file anew' if read else 'choose another'
        raise ModelFileError(
            f'{source}: expected a {THRESHOLD} in [0, 1], got '
            f'{threshold!r:.20}; {fix}'
        )


def _as_hosts_take(value: Any, key: str = '') -> Any:
    """Return a config with tuples where the hosts need them."""
    if isinstance(value, Mapping):
        return {k: _as_hosts_take(v, k) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        made = [_as_hosts_take(item) for item in value]
        several = key == 'act_cfg'  # activations of squeeze and of excitation
        return tuple(made) if key in _TUPLES or several else made
    return value
