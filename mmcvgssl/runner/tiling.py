"""Tiles of images in all parts of a run."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any

from mmengine.config import Config, ConfigDict

from mmcvgssl.datasets.tiles import (
    LEAST_TILE,
    check_input_size,
    check_tiles,
    tiled,
    whole_if_tiled,
)
from mmcvgssl.models.anomaly.prompts import load_knowledge, refuse_tiles
from mmcvgssl.runner.detection_tiling import settle_detector_tiles
from mmcvgssl.runner.load_steps import type_name


def settle_tiles(cfg: Config) -> None:
    """Make steps before and after those that cut images fit them.

    What reads an image does not shrink it, what packs says where tiles lie,
    and images in tiles are read one at a time. A training takes a tile at a
    random place of each image.

    Args:
        cfg: Is changed.

    Raises:
        ValueError: If an option is out of range, or nothing takes it.
    """
    tile, overlap = cfg.get('tile'), cfg.get('overlap')
    if settle_detector_tiles(cfg):
        return
    trained = _cut_at_random(cfg.get('train_dataloader'))
    found = list(_pipelines(cfg._cfg_dict))
    if tile is None and overlap is None and not found:
        return
    for _, steps in found:
        for step in steps:
            if type_name(step) == 'SquareResize':
                check_input_size(step['input_size'])
                check_tiles(
                    step.get('tile'), step.get('overlap'), step['input_size']
                )
    if tile is not None or any(tiled(steps) for _, steps in found):
        _refuse_whole_images(cfg.get('model'))
    if not any(tiled(steps) for _, steps in found):
        if (tile is not None or overlap is not None) and not trained:
            check_tiles(tile, overlap, LEAST_TILE)
            raise ValueError(
                f'tile={tile!r} reaches no step: images are cut where '
                'mmcvgssl.SquareResize stands, or a test packs them for a '
                'detector, and no pipeline of the config has either'
            )
        return
    for owner, steps in found:
        if tiled(steps):
            owner['pipeline'] = [ConfigDict(s) for s in whole_if_tiled(steps)]
    for loader in _loaders(cfg._cfg_dict):
        loader['batch_size'] = 1


def _refuse_whole_images(node: Any) -> None:
    """Refuse normal images that a knowledge file names, and KeAD reads whole.

    Raises:
        ValueError: If there are some.
    """
    if isinstance(node, MutableMapping):
        k, knowledge = node.get('k'), node.get('knowledge')
        if k and knowledge is not None and type_name(node) == 'KeAD':
            refuse_tiles(load_knowledge(knowledge), k)
        for value in node.values():
            _refuse_whole_images(value)
    elif isinstance(node, (list, tuple)):
        for item in node:
            _refuse_whole_images(item)


def _cut_at_random(node: Any) -> bool:
    """Have pipelines of a training cut a tile of each image, if of any."""
    found = False
    if isinstance(node, MutableMapping):
        for key, value in list(node.items()):
            listed = key == 'pipeline' and isinstance(value, (list, tuple))
            steps = value if listed else ()
            if tiled([s for step in steps for s in _inner(step)]):
                node[key] = _at_random(value)
                found = True
            elif not listed:
                found |= _cut_at_random(value)
    elif isinstance(node, (list, tuple)):
        for item in node:
            found |= _cut_at_random(item)
    return found


def _inner(step: Any) -> list[Any]:
    """Return a step, and those that it caches."""
    if not isinstance(step, MutableMapping):
        return []
    cached = step.get('transforms') if type_name(step) == 'Cached' else None
    return [step, *(cached or ())]


def _at_random(steps: Sequence[Any]) -> list[Any]:
    """Return steps with a random tile where they cut all; see above.

    What is cached is read whole, and cut behind the cache.
    """
    flat: list[Any] = []
    for step in steps:
        _, *inner = _inner(step)
        at = [i for i, each in enumerate(inner) if tiled([each])]
        if at:
            whole = whole_if_tiled([*inner[: at[0]], inner[at[0]]])[:-1]
            flat += [ConfigDict({**step, 'transforms': whole})]
            flat += inner[at[0] :]
        else:
            flat.append(step)
    made: list[Any] = []
    for step in whole_if_tiled(flat):
        if tiled([step]):
            step = dict(step)
            options = step.pop('tile'), step.pop('overlap', None)
            cut = check_tiles(*options, step['input_size'])
            # options at the top are handed down again and again
            if cut and not (made and type_name(made[-1]) == 'RandomTile'):
                made.append(dict(type='mmcvgssl.RandomTile', tile=cut[0]))
        made.append(step)
    return [ConfigDict(step) for step in made]


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
