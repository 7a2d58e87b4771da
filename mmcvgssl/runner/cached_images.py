"""Decoding the images of a training once."""

from __future__ import annotations

from mmengine.config import Config

from mmcvgssl.datasets.image_cache import clear_image_caches
from mmcvgssl.runner.load_steps import image_steps

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
        >>> cfg.train_dataloader.pipeline[0].image_cache
        512
    """
    megabytes = cfg.get('image_cache', MEGABYTES)
    if type(megabytes) is not int or megabytes < 0:
        raise ValueError(
            f'image_cache={megabytes!r}: expected MiB, a whole number of 0 '
            'or more'
        )
    clear_image_caches()  # of an earlier training in this process
    # hooks switch pipelines
    for node in (cfg.get('train_dataloader'), cfg.get('custom_hooks')):
        for step in image_steps(node, cached=False):
            step['image_cache'] = megabytes
