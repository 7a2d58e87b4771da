"""Epochs of a number of updates, however many images there are."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sized

import torch
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from mmcvgssl.datasets.surface_images import SurfaceImages
from mmcvgssl.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class UpdateSampler(Sampler):
    """Give each process ``updates * batch_size`` samples an epoch.

    Passes over the images follow each other, each in an order of its own, so
    that all images are seen equally often. Samples of different passes get
    different views. Unlike mmengine's ``InfiniteSampler`` it ends, and a
    resumed run goes on with the very samples that were next.

    Of a data set of detectors, whose images are its samples, a pass goes on
    from epoch to epoch, so that an epoch can be shorter than it.

    Args:
        dataset: Data set with enough passes (``repeat``), or of detectors.
        updates: Steps of an epoch.
        batch_size: Batch size of one process, as that of the data loader.
        seed: Seed of the order.

    Raises:
        ValueError: If the data set has too few passes.

    Example:
        >>> class Images(list):  # as SurfaceImages with repeat=4
        ...     n_images = 3
        >>> images = Images(range(12))
        >>> sampler = UpdateSampler(images, updates=5, batch_size=2, seed=0)
        >>> len(list(sampler))
        10
    """

    def __init__(
        self,
        dataset: SurfaceImages | Sized,
        updates: int,
        batch_size: int,
        seed: int | None = None,
    ) -> None:
        if min(updates, batch_size) < 1:
            raise ValueError(
                'updates and batch_size are 1 or more, got '
                f'{updates} and {batch_size}'
            )
        self.rank, self.world = get_dist_info()
        self.batch_size = batch_size
        self.count = updates * batch_size
        self.goes_on = not hasattr(dataset, 'n_images')
        self.n_images = getattr(dataset, 'n_images', len(dataset))
        if not self.goes_on and self.count * self.world > len(dataset):
            passes = -(-self.count * self.world // self.n_images)
            raise ValueError(
                f'{updates} updates of {batch_size} images on each of '
                f'{self.world} processes take {passes} passes over '
                f'{self.n_images} images, the data set has '
                f'{len(dataset) // self.n_images}: set '
                f'train_dataloader.dataset.repeat={passes}'
            )
        self.seed = sync_random_seed() if seed is None else seed
        self.epoch = 0

    def __iter__(self) -> Iterator[int]:
        order = self._order()
        mine = itertools.islice(order, self.rank, None, self.world)
        return itertools.islice(mine, self.count)

    def _order(self) -> Iterator[int]:
        if self.goes_on:
            yield from self._passes()
        random = torch.Generator().manual_seed(self.seed + self.epoch)
        for number in itertools.count():
            images = torch.randperm(self.n_images, generator=random)
            yield from (images + number * self.n_images).tolist()

    def _passes(self) -> Iterator[int]:
        """Go on where the epoch before has ended."""
        start = self.epoch * self.count * self.world
        first, skipped = divmod(start, self.n_images)
        for number in itertools.count(first):
            random = torch.Generator().manual_seed(self.seed + number)
            order = torch.randperm(self.n_images, generator=random).tolist()
            yield from order[skipped:]
            skipped = 0

    def __len__(self) -> int:
        return self.count

    def set_epoch(self, epoch: int) -> None:
        """Choose the order; called before each epoch."""
        self.epoch = epoch
