"""Loaders of the images that map generators are fitted to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS
from torch.utils.data import DataLoader, Dataset, Sampler, Subset

from mmcvgssl.datasets import SurfaceImages, inner_sets
from mmcvgssl.models.anomaly import AnomalyModel


class FitLoader(DataLoader):
    """Images in their order, of which a process can read its share alone.

    Args:
        data_set: The images.
        batch_size: Images of a batch.
        num_workers: Processes that read.
    """

    def __init__(
        self, data_set: Dataset, batch_size: int = 16, num_workers: int = 0
    ) -> None:
        super().__init__(
            data_set,
            batch_sampler=_Share(len(data_set), batch_size),  # type: ignore[arg-type]
            num_workers=num_workers,
            collate_fn=pseudo_collate,
        )

    def share(self, first: int, rank: int, step: int) -> Iterator[dict]:
        """Read every ``step``-th batch, and no other.

        Args:
            first: Number of images that are passed over.
            rank: Rank of the first batch after them.
            step: Distance from one batch to the next.
        """
        self.batch_sampler.choose(first, rank, step)  # type: ignore[union-attr]
        try:
            yield from self
        finally:
            self.batch_sampler.choose()  # type: ignore[union-attr]

    def unreadable(self) -> list[tuple[int, int]]:
        """Return the images that this process has found unreadable.

        Returns:
            The number of the data set, where there are several, and the
            image's in it.
        """
        return [
            (number, index)
            for number, data_set in enumerate(inner_sets(self.dataset))
            if isinstance(data_set, SurfaceImages)
            for index in data_set.unreadable.indices()
        ]

    def mark_unreadable(self, found: Iterable[tuple[int, int]]) -> None:
        """Skip images that others have found unreadable, and say so.

        Raises:
            TooManyUnreadableError: If too many are skipped by all together.
        """
        inner = inner_sets(self.dataset)
        for number, index in found:
            path = inner[number].get_data_info(index)['img_path']
            inner[number].unreadable.mark(
                index, f'{path}, as another process or run has found'
            )


class _Share(Sampler):
    """Batches of indices in their order, or every n-th of them."""

    def __init__(self, count: int, size: int) -> None:
        self.count, self.size = count, size
        self.choose()

    def choose(self, first: int = 0, rank: int = 0, step: int = 1) -> None:
        self.starts = range(
            first + rank * self.size, self.count, step * self.size
        )

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[list[int]]:
        for start in self.starts:
            yield list(range(start, min(start + self.size, self.count)))


def fit_loader(config: dict[str, Any], model: AnomalyModel) -> FitLoader:
    """Make a loader over all fitting images.

    A model that learns from a sample gets one, drawn by its seed.

    Args:
        config: Config of ``fit_dataloader`` or ``holdout_dataloader``.
        model: Model that is fitted.
    """
    data_set: Dataset = DATASETS.build(config['dataset'])
    n, wanted = len(data_set), model.fit_sample  # type: ignore[arg-type]
    if 0 < wanted < n:
        random = torch.Generator().manual_seed(model.fit_seed)
        drawn = torch.randperm(n, generator=random)[:wanted].sort().values
        data_set = Subset(data_set, drawn.tolist())
    return FitLoader(
        data_set,
        batch_size=config.get('batch_size', 16),
        num_workers=config.get('num_workers', 0),
    )


def holdout_loader(cfg: Config, model: AnomalyModel) -> FitLoader | None:
    """Make a loader over the images held out, if the config names some."""
    config = cfg.get('holdout_dataloader')
    return None if config is None else fit_loader(config.to_dict(), model)
