"""Runs of what a model file holds: maps and tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope

from mmcvgssl.apis.config import load_config
from mmcvgssl.apis.load_steps import type_name
from mmcvgssl.apis.options import type_options
from mmcvgssl.apis.shipped import shipped
from mmcvgssl.model_file import LoadedModel, load_model
from mmcvgssl.model_file.anomaly import KIND

RUNTIME = '_base_/anomaly_runtime.py'


def open_model(path: str | Path) -> LoadedModel:
    """Read a model file for a Runner; see :func:`load_model`."""
    init_default_scope('mmpretrain')
    return load_model(path)


def config_of(
    loaded: LoadedModel, options: dict[str, Any] | None = None
) -> Config:
    """Return the config of a Runner for an anomaly model of a file.

    Its ``test_dataloader`` says how images are read, and names none.

    Args:
        loaded: The model.
        options: Settings of the command line.

    Raises:
        ValueError: If the file holds a model of another kind.
    """
    content = loaded.content
    if content.kind != KIND:
        raise ValueError(
            f'expected an anomaly model, got a {content.kind}: only anomaly '
            'models give maps'
        )
    given, later = dict(options or {}), {}
    for key in options or ():
        part = key.partition('.')[0]
        if part == 'model':
            raise ValueError(
                f'{key} cannot be set: the model is as the file holds it; fit '
                'another by tools/fit.py'
            )
        if part == 'test_dataloader':
            later[key] = given.pop(key)
    cfg = load_config(shipped('configs') / RUNTIME, given)
    cfg.model = ConfigDict(content.model)
    cfg.test_dataloader = ConfigDict(
        batch_size=16,
        num_workers=2,
        dataset=dict(pipeline=content.images['pipeline']),
    )
    cfg.merge_from_dict(type_options(later, cfg._cfg_dict))
    return cfg


def test_on_folder(cfg: Config, folder: str | Path | None) -> None:
    """Have a model file's config test on a folder of images.

    Args:
        cfg: Of :func:`config_of`; changed.
        folder: Class folders, good images in one that is called so, or an
            MVTec-style tree.

    Raises:
        ValueError: If there is no folder.
    """
    if not folder:
        raise ValueError(
            'a model file names no images to test on: give --images DIR, or '
            'a config and the model file: tools/test.py CONFIG MODEL'
        )
    loader = cfg.test_dataloader
    packing: dict[str, Any] = dict(
        type='mmpretrain.PackInputs',
        algorithm_keys=('gt_mask',),
        meta_keys=(
            *('sample_idx', 'img_path', 'ori_shape', 'category', 'defect'),
        ),
    )
    labels = [dict(type='mmcvgssl.LoadMask'), packing]
    loader.dataset = ConfigDict(
        type='mmcvgssl.OneClassDataset',
        data_root=str(folder),
        split='test',
        pipeline=merged_steps(loader.dataset.pipeline, labels),
    )
    loader.drop_last = False
    loader.sampler = ConfigDict(type='DefaultSampler', shuffle=False)
    loader.collate_fn = ConfigDict(type='pseudo_collate')
    cfg.test_cfg = ConfigDict()
    cfg.test_evaluator = ConfigDict(type='mmcvgssl.AnomalyMetric')


def read_as_the_model(cfg: Config, loaded: LoadedModel) -> None:
    """Have the test of a config read images as a model file says.

    Masks and labels are read as the config says.

    Args:
        cfg: Its ``test_dataloader`` is changed.
        loaded: The model.
    """
    data_set = cfg.test_dataloader.dataset
    data_set.pipeline = merged_steps(
        loaded.content.images['pipeline'], data_set.pipeline
    )


def merged_steps(
    ours: Sequence[dict[str, Any]], theirs: Sequence[dict[str, Any]]
) -> list[ConfigDict]:
    """Put the labels' steps of a test among the steps of a model file.

    Args:
        ours: Of the model file, which read, resize and pack.
        theirs: Of the test.

    Example:
        >>> ours = [dict(type='LoadImage'), dict(type='Resize')]
        >>> ours += [dict(type='PackInputs')]
        >>> theirs = [dict(type='LoadImage'), dict(type='LoadMask')]
        >>> theirs += [dict(type='PackInputs', meta_keys=('img_path',))]
        >>> [s['type'] for s in merged_steps(ours, theirs)]
        ['LoadImage', 'LoadMask', 'Resize', 'PackInputs']
    """
    masks = [s for s in theirs if type_name(s) == 'LoadMask']
    packing = [s for s in theirs if type_name(s).endswith('PackInputs')]
    first, *others = [s for s in ours if not type_name(s).endswith('Inputs')]
    return [ConfigDict(s) for s in (first, *masks, *others, *packing)]
