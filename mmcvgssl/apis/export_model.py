"""A trained detector as one file that predicts by itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmcvgssl.model_file import ModelFile, check_name
from mmcvgssl.model_file.detector import build, to_file
from mmcvgssl.model_file.frozen import plain_config
from mmcvgssl.model_file.safe_detector import check_detector
from mmcvgssl.model_file.steps import detection_steps
from mmcvgssl.models.class_counts import check_class_counts
from mmcvgssl.provenance import Provenance, of_file, of_versions
from mmcvgssl.runner.checkpoint_config import FIX, training_config
from mmcvgssl.runner.config import load_config
from mmcvgssl.runner.image_reading import learned_range, settle_images
from mmcvgssl.weights import check_values, plain_state
from mmcvgssl.weights.files import read_checkpoint
from mmcvgssl.weights.load import require_whole
from mmcvgssl.weights.plain_values import check_depth

THRESHOLD = 0.3  # as of the hosts' inferencers
_KEYS = ('model', 'default_scope', 'test_dataloader')


def export_model(
    checkpoint: str | Path,
    out: str | Path,
    config: str | Path | None = None,
    score_threshold: float = THRESHOLD,
    options: dict[str, Any] | None = None,
    licences: Sequence[str] = (),
    tile: int | str | None = None,
    overlap: int | None = None,
) -> ModelFile:
    """Write a detector of mmdet or mmyolo as a model file.

    Args:
        checkpoint: Checkpoint of a training run.
        out: File to write; ends in ``.safetensors``.
        config: Config of the training, if the checkpoint holds none or another
            one is wanted.
        score_threshold: Boxes below it are not shown, in [0, 1].
        options: Dotted keys and values that override the config's.
        licences: Terms that hold, one text each.
        tile: Side of the tiles that images are cut into, in pixels, or
            ``'auto'``; None: as the config says.
        overlap: Pixels that neighbouring tiles share at least, as many as the
            largest defect has; None: an eighth of ``tile``.

    Returns:
        What was written.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If there is no config of a detector, class names are
            missing or contradict each other, or the config names what no
            file may name.
        mmcvgssl.weights.KeyMismatchError: If the weights are of another
            model.
        ModuleNotFoundError: If a package that it needs is not installed.
    """
    check_name(out)
    content = detector_content(
        *(checkpoint, config, score_threshold, options, licences),
        *(tile, overlap),
    )
    content.write(out)
    return content


def detector_content(
    checkpoint: str | Path,
    config: str | Path | None = None,
    score_threshold: float = THRESHOLD,
    options: dict[str, Any] | None = None,
    licences: Sequence[str] = (),
    tile: int | str | None = None,
    overlap: int | None = None,
) -> ModelFile:
    """Return a trained detector as :func:`export_model` writes it.

    Args:
        checkpoint: See :func:`export_model`, as all others.
        config: Config of the training.
        score_threshold: Boxes below it are not shown.
        options: Dotted keys and values that override the config's.
        licences: Terms that hold.
        tile: Side of the tiles that images are cut into.
        overlap: Pixels that neighbouring tiles share at least.

    Raises:
        See :func:`export_model`.
    """
    if options and config is None:
        raise ValueError(
            'options override those of a config file: pass it, too '
            '(--config CFG)'
        )
    if not 0 <= score_threshold <= 1:
        raise ValueError(
            f'expected a score threshold in [0, 1], got {score_threshold}'
        )
    cfg = None if config is None else load_config(config, options)
    loaded = read_checkpoint(checkpoint)
    top, source = _settings(checkpoint, loaded, cfg)
    model_config, data_set = _parts(top, source)
    check_detector(model_config, source)
    classes = _classes(loaded, data_set, source)
    check_class_counts(
        model_config, classes, f'{source}: test_dataloader.dataset.metainfo'
    )
    scope = model_config['_scope_']
    steps = detection_steps(data_set['pipeline'], scope, tile, overlap)
    state = plain_state(loaded)
    check_values(state, str(checkpoint))
    model = build(model_config, state, source)
    require_whole(model, state, str(checkpoint))
    model.load_state_dict(state, strict=False)
    made_of = Provenance({'checkpoint': of_file(checkpoint)}) | of_versions(
        model_config, steps
    )
    return to_file(
        model,
        model_config,
        steps,
        classes,
        score_threshold,
        Path(checkpoint).name,
        json.loads(made_of.to_json()),
        licences,
    )


def _settings(
    checkpoint: str | Path, loaded: Mapping[str, Any], cfg: Config | None
) -> tuple[dict[str, Any], str]:
    """Return the settings of the training, images settled."""
    if cfg is None:
        return training_config(loaded, None, str(checkpoint), _KEYS)
    if cfg.get('test_dataloader') is not None:
        cfg.load_from = str(checkpoint)
        settle_images(
            cfg,
            testing=True,
            paths=[],
            learned=learned_range(checkpoint),
            measure=False,
        )
    return cfg.to_dict(), str(cfg.filename)


def _parts(
    top: Mapping[str, Any], source: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the configs of the model and of the set it was tested on."""
    model = top.get('model')
    if not isinstance(model, Mapping) or 'type' not in model:
        raise ValueError(
            f'{source}: expected model=dict(type=...) of a detector, got '
            f'none; {FIX}'
        )
    loader = top.get('test_dataloader')
    for name, part in (('model', model), ('test_dataloader', loader)):
        check_depth(part, source, name)
    data_set = loader.get('dataset') if isinstance(loader, Mapping) else None
    while isinstance(data_set, Mapping) and 'pipeline' not in data_set:
        data_set = data_set.get('dataset')
    if not isinstance(data_set, Mapping) or not isinstance(
        data_set['pipeline'], (list, tuple)
    ):
        raise ValueError(
            f'{source}: expected test_dataloader.dataset.pipeline, which '
            f'says how images are read, got none; {FIX}'
        )
    scope = model.get('_scope_') or top.get('default_scope') or 'mmdet'
    return {**plain_config(model), '_scope_': scope}, dict(data_set)


def _classes(
    loaded: Mapping[str, Any], data_set: Mapping[str, Any], source: str
) -> list[str]:
    """Return the names of the classes that were trained."""
    meta = loaded.get('meta')
    saved = meta.get('dataset_meta') if isinstance(meta, Mapping) else None
    trained = _names(saved)
    listed = _names(data_set.get('metainfo'))
    if trained and listed and trained != listed:
        raise ValueError(
            f'the checkpoint was trained on classes {", ".join(trained)}, but '
            f'{source} lists {", ".join(listed)} in test_dataloader.dataset.'
            'metainfo: they must agree, in this order'
        )
    if not (trained or listed):
        raise ValueError(
            f'neither the checkpoint nor {source} names the classes: set '
            'test_dataloader.dataset.metainfo=dict(classes=...) in a config, '
            'and pass it (--config CFG)'
        )
    return trained or listed


def _names(meta: Any) -> list[str]:
    found = meta if isinstance(meta, Mapping) else {}
    names = found.get('classes', found.get('CLASSES')) or ()
    several = isinstance(names, (list, tuple))
    if not several or not all(isinstance(n, str) for n in names):
        raise ValueError(
            f'expected a list of names as classes, got {names!r:.80}; write '
            "classes=('name', ) with a comma for a single one"
        )
    return list(names)
