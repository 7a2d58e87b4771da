"""Settings of loaders that must agree with their number of workers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, MutableMapping
from typing import Any

from mmengine.logging import print_log

_END = '_dataloader'
# options that need workers, and their values without workers
_OF_WORKERS: dict[str, Any] = {
    'persistent_workers': False,
    'prefetch_factor': None,
    'multiprocessing_context': None,
    'timeout': 0,
}


def settle_workers(
    cfg: MutableMapping[str, Any], asked: Collection[str] = ()
) -> None:
    """Switch off what loaders without workers cannot have, and say so.

    Args:
        cfg: A config; its ``…_dataloader`` are changed.
        asked: Dotted keys that were asked for on the command line.

    Raises:
        ValueError: If one of these keys needs workers, and there are none,
            or their number is none.
    """
    for name, loader in _loaders(cfg):
        workers = loader.get('num_workers', 0)
        if type(workers) is not int or workers < 0:
            raise ValueError(
                f'{name}.num_workers={workers!r}: expected a number of '
                'processes, 0 for none'
            )
        if workers:
            continue
        given = {
            key: loader[key]
            for key, off in _OF_WORKERS.items()
            if loader.get(key, off) != off
        }
        wanted = [key for key in given if f'{name}.{key}' in asked]
        if wanted:
            key = f'{name}.{wanted[0]}'
            raise ValueError(
                f'{key}={given[wanted[0]]!r} needs workers, but '
                f'{name}.num_workers=0: set {name}.num_workers to 1 or more, '
                f'or leave {key} out'
            )
        for key in given:
            loader[key] = _OF_WORKERS[key]
        if given:
            changes = ', '.join(f'{key}={_OF_WORKERS[key]}' for key in given)
            print_log(f'{name}: num_workers=0, hence {changes}', 'current')


def _loaders(
    cfg: Mapping[str, Any],
) -> Iterator[tuple[str, MutableMapping[str, Any]]]:
    """Find the loaders of a config, and their dotted keys."""
    for key, value in cfg.items():
        if key.endswith(_END):
            several = isinstance(value, (list, tuple))
            for index, loader in enumerate(value if several else [value]):
                if isinstance(loader, MutableMapping):
                    yield f'{key}.{index}' if several else key, loader
