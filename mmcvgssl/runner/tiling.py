"""Tiles of images in all parts of a run."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

from mmengine.config import Config, ConfigDict

from mmcvgssl.datasets.tiles import (
    LEAST_TILE,
    check_tiles,
    tiled,
    whole_if_tiled,
)
from mmcvgssl.runner.load_steps import type_name


def settle_tiles(cfg: Config) -> None:
    """Make steps before and after those that cut images fit them.

    What reads an image does not shrink it, what packs says where tiles lie,
    and images in tiles are read one at a time.

    Args:
        cfg: Is changed.

    Raises:
        ValueError: If an option is out of range, nothing takes it, or images
            of a training are cut.
    """
    tile, overlap = cfg.get('tile'), cfg.get('overlap')
    found = list(_pipelines(cfg._cfg_dict))
    if tile is None and overlap is None and not found:
        return
    for _, steps in found:
        for step in steps:
            if type_name(step) == 'SquareResize':
                check_tiles(
                    step.get('tile'), step.get('overlap'), step['input_size']
                )
    if not any(tiled(steps) for _, steps in found):
        if tile is not None or overlap is not None:
            check_tiles(tile, overlap, LEAST_TILE)
            raise ValueError(
                f'tile={tile!r} reaches no step: images are cut by '
                'mmcvgssl.SquareResize, and no pipeline of the config has one'
            )
        return
    if cfg.get('train_dataloader') is not None:
        raise ValueError(
            f'tile={tile!r} is for models that are fitted, and this config '
            'trains one (train_dataloader), of whole images: leave tile out, '
            'or take another of configs/anomaly, such as PatchCore'
        )
    for owner, steps in found:
        if tiled(steps):
            owner['pipeline'] = [ConfigDict(s) for s in whole_if_tiled(steps)]
    for loader in _loaders(cfg._cfg_dict):
        loader['batch_size'] = 1


def _pipelines(node: Any) -> Iterator[tuple[MutableMapping[str, Any], list]]:
    """Find the lists of steps with one that resizes to a square."""
    if isinstance(node, MutableMapping):
        for key, value in list(node.items()):
            if (
                key == 'pipeline'
                and isinstance(value, (list, tuple))
                and any(
                    isinstance(step, MutableMapping)
                    and type_name(step) == 'SquareResize'
                    for step in value
                )
            ):
                yield node, list(value)
            else:
                yield from _pipelines(value)
    elif isinstance(node, (list, tuple)):
        for item in node:
            yield from _pipelines(item)


def _loaders(node: Any) -> Iterator[MutableMapping[str, Any]]:
    """Find what has a batch size, and images in tiles."""
    for value in node.values():
        if not isinstance(value, MutableMapping):
            continue
        cut = any(tiled(steps) for _, steps in _pipelines(value))
        if cut and ('dataset' in value or 'pipeline' in value):
            yield value
