"""Tiles of images in the runs of detectors."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any

from mmengine.config import Config, ConfigDict

from mmcvgssl.datasets.tiles import cut_steps, uncut_steps
from mmcvgssl.runner.load_steps import type_name

_HOOK = 'mmcvgssl.TiledDetectionHook'


def settle_detector_tiles(cfg: Config) -> bool:
    """Have a detector's tests cut images into tiles, and trainings crop them.

    Tests read one image at a time. A training crops a tile of each image at a
    random place by mmdet's ``RandomCrop``, with the boxes in it, before
    anything resizes it. Steps that cut already stay as they are.

    Args:
        cfg: Is changed.

    Returns:
        Whether images are cut.

    Raises:
        ValueError: If an option is out of range.
    """
    tile, overlap = cfg.get('tile'), cfg.get('overlap')
    side = None
    for part in ('val', 'test'):
        loader = cfg.get(f'{part}_dataloader')
        for node in _packing(loader):
            _, known = uncut_steps(node['pipeline'])
            if known is None and (tile is not None or overlap is not None):
                made = cut_steps(node['pipeline'], tile, overlap)
                node['pipeline'] = [ConfigDict(step) for step in made]
                _, known = uncut_steps(node['pipeline'])
            if known is None:
                continue
            side = known[0]
            loader['batch_size'] = 1
            if node.get('batch_shapes_cfg'):
                node['batch_shapes_cfg'] = None
    if side is None:
        return False
    for key in ('train_dataloader', 'custom_hooks'):
        _crop(cfg.get(key), side)
    hooks = list(cfg.get('custom_hooks') or ())
    if not any(type_name(hook) == 'TiledDetectionHook' for hook in hooks):
        cfg.custom_hooks = [*hooks, ConfigDict(type=_HOOK)]
    return True


def _packing(node: Any) -> Iterator[MutableMapping[str, Any]]:
    """Find the data sets whose steps pack images for a detector."""
    if isinstance(node, MutableMapping):
        steps = node.get('pipeline')
        if isinstance(steps, (list, tuple)):
            whole, _ = uncut_steps(steps)
            if whole and type_name(whole[-1]) == 'PackDetInputs':
                yield node
            return
        for key in ('dataset', 'datasets'):
            yield from _packing(node.get(key))
    elif isinstance(node, (list, tuple)):
        for item in node:
            yield from _packing(item)


def _crop(node: Any, side: int) -> None:
    """Crop behind all steps that load annotations, at any depth."""
    if isinstance(node, MutableMapping):
        for key, value in list(node.items()):
            if isinstance(value, (list, tuple)) and _loads(value):
                node[key] = _cropped(value, side)
            _crop(node[key], side)
    elif isinstance(node, (list, tuple)):
        for item in node:
            _crop(item, side)


def _loads(steps: Sequence[Any]) -> bool:
    return any(
        isinstance(step, MutableMapping)
        and type_name(step) == 'LoadAnnotations'
        for step in steps
    )


def _cropped(steps: Sequence[Any], side: int) -> list[Any]:
    made: list[Any] = []
    for i, step in enumerate(steps):
        made.append(step)
        after = steps[i + 1] if i + 1 < len(steps) else {}
        if type_name(step) != 'LoadAnnotations' or _is_crop(after, side):
            continue
        made.append(
            ConfigDict(
                type='mmdet.RandomCrop',
                crop_type='absolute',
                crop_size=(side, side),
                allow_negative_crop=True,
            )
        )
    return made


def _is_crop(step: Any, side: int) -> bool:
    """Whether a step is the one that is put in, from an earlier run."""
    return type_name(step) == 'RandomCrop' and list(
        step.get('crop_size') or ()
    ) == [side, side]
