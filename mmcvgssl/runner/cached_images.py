"""Decoding the images of a training once."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

from mmengine.config import Config

from mmcvgssl.datasets.image_cache import clear_image_caches
from mmcvgssl.runner.load_steps import type_name

MEGABYTES = 512


def cache_images(cfg: Config) -> None:
    """Have the workers of a training decode each image once.

    Args:
        cfg: Is changed; its ``image_cache`` is the memory for decoded images,
            MiB (512 unless said, 0 for none), which its workers share.

    Raises:
        ValueError: If it is no number of 0 or more.

    Example:
        >>> step = dict(type='mmcvgssl.LoadImage')
        >>> cfg = Config({'train_dataloader': {'pipeline': [step]}})
        >>> cache_images(cfg)
        >>> cfg.train_dataloader.pipeline[0].cache
        512
    """
    megabytes = cfg.get('image_cache', MEGABYTES)
    if isinstance(megabytes, bool) or not (
        isinstance(megabytes, int) and megabytes >= 0
    ):
        raise ValueError(
            f'image_cache={megabytes!r}: expected MiB, a whole number of 0 '
            'or more'
        )
    clear_image_caches()  # of an earlier training in this process
    # hooks switch pipelines
    for node in (cfg.get('train_dataloader'), cfg.get('custom_hooks')):
        for step in _read_again(node):
            step['cache'] = megabytes


def _read_again(node: Any) -> Iterator[MutableMapping[str, Any]]:
    """Find steps that load an image again and again."""
    if isinstance(node, MutableMapping):
        if type_name(node) == 'Cached':
            return  # has what its steps make
        if type_name(node) == 'LoadImage':
            yield node
        for value in node.values():
            yield from _read_again(value)
    elif isinstance(node, (list, tuple)):
        for item in node:
            yield from _read_again(item)
