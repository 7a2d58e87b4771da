"""Indices of samples, marked with the epoch that they are drawn for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from mmengine.dataset import InfiniteSampler
from torch.utils.data import DataLoader, Sampler

from mmcvgssl.datasets.wrapped import inner_sets, passes
from mmcvgssl.randomness import derive_seed, isolated, seed_generators


class Draw(NamedTuple):
    """Epoch and repetition that a sample is drawn for.

    Args:
        epoch: Number of the epoch, from 0; in endless training that of the
            pass.
        again: How often wrappers have named the sample in this epoch before.
    """

    epoch: int
    again: int = 0


class _Index(int):
    """An index with the epoch that it belongs to."""

    epoch: int


_current: Draw | None = None


def current_draw() -> Draw | None:
    """Return epoch and repetition of the sample being read.

    None outside of loaders, and in loaders that :func:`attach_epochs` does not
    know.
    """
    return _current


class EpochBatch(list):
    """A batch of indices that sets :func:`current_draw` while it is read.

    It travels to the workers of a loader, whatever starts them, and needs
    nothing of wrappers between loader and data set.

    Args:
        indices: Indices of the samples.
        draws: One for each.
        seed: Seed of the generators that wrappers draw from; None: they draw
            nothing.
    """

    def __init__(
        self, indices: list[int], draws: list[Draw], seed: int | None
    ) -> None:
        super().__init__(indices)
        self.draws, self.seed = draws, seed

    def __iter__(self) -> Iterator[int]:
        global _current
        with isolated():
            try:
                for index, draw in zip(
                    super().__iter__(), self.draws, strict=True
                ):
                    if self.seed is not None:
                        words = self.seed, draw.epoch, index, 0, 1
                        seed_generators(derive_seed(*words))
                    _current = draw
                    yield index
            finally:
                _current = None

    def __reduce__(self) -> tuple:
        plain = list(super().__iter__())
        return EpochBatch, (plain, self.draws, self.seed)


class EpochSampler(Sampler):
    """A sampler whose indices remember their epoch.

    Loops set the epoch of samplers (``set_epoch``), or how many samples of an
    endless one are skipped in a resumed run (``skip``): so this one knows
    the epoch however many samples are fetched ahead.

    Args:
        sampler: The sampler.
        size: Samples of an epoch in all processes together.
        by_epoch: Whether the loop counts epochs; otherwise each further pass
            must call ``set_epoch``.
    """

    def __init__(self, sampler: Any, size: int, by_epoch: bool) -> None:
        self.sampler, self.size, self.by_epoch = sampler, size, by_epoch
        self.endless = isinstance(sampler, InfiniteSampler)
        self.epoch: int | None = 0
        self.position = 0

    def __iter__(self) -> Iterator[int]:
        if self.endless:
            return self._passes()
        if self.epoch is None:
            raise RuntimeError(
                'the loop starts another pass over the images without '
                "setting the views' epoch: call set_epoch(epoch) of the "
                'sampler before each pass, or use '
                "mmengine's EpochBasedTrainLoop or IterBasedTrainLoop"
            )
        epoch = self.epoch
        if not self.by_epoch:
            self.epoch = None
        return self._of(epoch)

    def _of(self, epoch: int) -> Iterator[int]:
        count = len(self.sampler) if hasattr(self.sampler, '__len__') else None
        for number, index in enumerate(self.sampler):
            if number == count:
                raise RuntimeError(
                    f'{type(self.sampler).__name__} goes on after its '
                    f"{count} samples, so the views' epoch is not known: use "
                    "mmengine's DefaultSampler, or InfiniteSampler for "
                    'endless training'
                )
            yield _marked(index, epoch)

    def _passes(self) -> Iterator[int]:
        world, rank = self.sampler.world_size, self.sampler.rank
        for index in self.sampler:
            number = self.position * world + rank
            self.position += 1
            yield _marked(index, number // self.size)

    def __len__(self) -> int:
        return len(self.sampler)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next pass, also of the inner sampler."""
        self.epoch = epoch
        if hasattr(self.sampler, 'set_epoch'):
            self.sampler.set_epoch(epoch)

    def __getattr__(self, name: str) -> Any:
        inner = self.__dict__.get('sampler')
        if inner is None:
            raise AttributeError(name)
        found = getattr(inner, name)
        if name != 'skip':
            return found

        def skip(count: int) -> None:
            found(count)
            self.position = count

        return skip


class EpochBatchSampler:
    """A batch sampler whose batches are :class:`EpochBatch`.

    Args:
        batch_sampler: Over an :class:`EpochSampler`.
        again: Passes of wrappers over a sample by index, if there are any.
        seed: Seed of the random numbers that wrappers draw; None: none.
    """

    def __init__(
        self, batch_sampler: Any, again: np.ndarray | None, seed: int | None
    ) -> None:
        self.batch_sampler, self.again, self.seed = batch_sampler, again, seed

    def __iter__(self) -> Iterator[EpochBatch]:
        for batch in self.batch_sampler:
            strange = [i for i in batch if not isinstance(i, _Index)]
            if strange:
                raise RuntimeError(
                    f'{type(self.batch_sampler).__name__} makes batches of '
                    "indices that its sampler has not given, so the views' "
                    "epoch is not known: use torch's BatchSampler"
                )
            again = self.again
            yield EpochBatch(
                [int(i) for i in batch],
                [
                    Draw(i.epoch, 0 if again is None else int(again[i]))
                    for i in batch
                ],
                self.seed,
            )

    def __len__(self) -> int:
        return len(self.batch_sampler)

    def __getattr__(self, name: str) -> Any:
        inner = self.__dict__.get('batch_sampler')
        if inner is None:
            raise AttributeError(name)
        return getattr(inner, name)


def attach_epochs(
    loader: DataLoader, by_epoch: bool, seed: int
) -> EpochSampler:
    """Make a loader pass the epoch of each sample to its data set.

    Args:
        loader: A loader that has not been iterated yet; it is changed in
            place, once.
        by_epoch: Whether the loop counts epochs.
        seed: Seed of the random numbers that wrappers of data sets draw.

    Raises:
        RuntimeError: If it makes no batches, or of a way that hides from
            where they come.

    Example:
        >>> from mmengine.dataset import DefaultSampler
        >>> images = [0, 1, 2, 3]
        >>> sampler = DefaultSampler(images, shuffle=False)
        >>> loader = DataLoader(images, 2, sampler=sampler)
        >>> sampler = attach_epochs(loader, by_epoch=True, seed=0)
        >>> sampler.set_epoch(1)
        >>> len(list(loader))
        2
    """
    if isinstance(loader.sampler, EpochSampler):
        return loader.sampler
    batches: Any = loader.batch_sampler
    if getattr(batches, 'sampler', None) is None:
        raise RuntimeError(
            'the loader has no batch sampler over a sampler, so it cannot '
            'pass the epoch to views: give train_dataloader a batch_size, or '
            'a batch_sampler with a `sampler`'
        )
    data_set: Any = loader.dataset
    plain_sampler = batches.sampler
    if type(plain_sampler) is InfiniteSampler:
        # mmengine 0.10.7 has taken indices from it before there is a hook
        plain_sampler = InfiniteSampler(
            plain_sampler.dataset, plain_sampler.shuffle, plain_sampler.seed
        )
    sampler = EpochSampler(plain_sampler, len(data_set), by_epoch)
    batches.sampler = sampler
    plain = inner_sets(data_set) == [data_set]
    marked = EpochBatchSampler(
        batches, passes(data_set), None if plain else seed
    )
    # a loader forbids setting both after its construction
    object.__setattr__(loader, 'sampler', sampler)
    object.__setattr__(loader, 'batch_sampler', marked)
    object.__setattr__(loader, '_iterator', None)
    return sampler


def _marked(index: Any, epoch: int) -> _Index:
    marked = _Index(index)
    marked.epoch = epoch
    return marked
