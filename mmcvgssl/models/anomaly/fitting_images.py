"""The images that a map generator learns from."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, NamedTuple

import torch
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from mmcvgssl.models.anomaly.blocks import is_held_out
from mmcvgssl.models.anomaly.fit_pass import FitPass, pick
from mmcvgssl.models.anomaly.passes import Passes


class Facts(NamedTuple):
    """Indices and categories of a batch, known in all processes.

    Args:
        size: Number of its images.
        readable: For each image that could be read: its index, its category
            and whether it is left out by its path.
    """

    size: int
    readable: list[tuple[int, str, bool]]


@dataclass(frozen=True)
class FittingImages:
    """Batches of a loader, whole or without one of n images; re-iterable.

    Args:
        batches: ``inputs`` and ``data_samples``, as a data loader gives.
            Of a :class:`~mmcvgssl.engine.fit_loader.FitLoader` no process
            reads the batches of others.
        preprocessor: Makes RGB images in [0, 1] of them.
        divisions: One after the other: a number n, as one of each n images is
            held out, and whether to give those held out or the others.
        purpose: Use of the images, for the message if there are none.
        without: Absolute paths of images that are left out.
        passes: Counts the passes over the images of one fit.

    Raises:
        ValueError: If it gives no image, when iterated.
    """

    batches: Iterable[dict]
    preprocessor: nn.Module
    divisions: tuple[tuple[int, bool], ...] = ()
    purpose: str = 'fit to'
    without: frozenset[str] = frozenset()
    passes: Passes = field(default_factory=Passes, repr=False)

    def __iter__(self) -> Iterator[tuple[Tensor, list]]:
        """Yield all images, in this process."""
        seen = used = 0
        counts = [0] * len(self.divisions)
        for inputs, samples in self.read():
            facts = self.facts(samples)
            keep = [i for i, _ in self.chosen(facts, counts)]
            seen += facts.size
            used += len(keep)
            if keep:
                yield pick(inputs, samples, keep)
        self.require(used, seen)

    def run(self, work: FitPass) -> None:
        """Go through the images once, all processes together.

        Every process has to call it, and the result is that of one process:
        batches, their order and what is drawn are the same.
        """
        self.passes.run(self, work)

    def read(
        self, first: int = 0, rank: int = 0, step: int = 1
    ) -> Generator[tuple[Tensor, list], None, None]:
        """Read every ``step``-th batch from the ``rank``-th on.

        Args:
            first: Number of images that are passed over before.
            rank: Rank of the first batch after them.
            step: Distance from one batch to the next.
        """
        share = getattr(self.batches, 'share', None)
        if share is not None:
            batches = share(first, rank, step)
        else:
            batches = islice(self._after(first), rank, None, step)
        for batch in batches:
            data = self.preprocessor(batch, False)
            inputs, samples = data['inputs'], data.get('data_samples')
            yield inputs, samples or [DataSample() for _ in range(len(inputs))]

    def _after(self, first: int) -> Iterator[dict]:
        for batch in self.batches:
            if first <= 0:
                yield batch
            first -= len(batch['inputs'])

    @property
    def total(self) -> int | None:
        """Number of images, if the loader has a length."""
        data_set: Any = getattr(self.batches, 'dataset', None)
        return None if data_set is None else len(data_set)

    @property
    def device(self) -> torch.device:
        """Device of the images."""
        return getattr(self.preprocessor, 'device', torch.device('cpu'))

    def unreadable(self) -> set[tuple[int, int]]:
        """Return the images that the loader has skipped, if it counts them."""
        found = getattr(self.batches, 'unreadable', None)
        return set() if found is None else set(found())

    def mark_unreadable(self, found: Iterable[tuple[int, int]]) -> None:
        """Make the loader skip the images that other processes have skipped.

        Raises:
            TooManyUnreadableError: If too many are skipped by all together.
        """
        if found := sorted(found):
            self.batches.mark_unreadable(found)  # type: ignore[attr-defined]

    def facts(self, samples: Sequence) -> Facts:
        """Return the facts of a batch for the other processes."""
        readable = [
            (
                i,
                sample.get('category') or '',
                self._leaves_out(sample.get('img_path', '')),
            )
            for i, sample in enumerate(samples)
            if not sample.get('unreadable')
        ]
        return Facts(len(samples), readable)

    def chosen(self, facts: Facts, counts: list[int]) -> list[tuple[int, str]]:
        """Return index and category of the images that are taken.

        Args:
            facts: Facts of a batch.
            counts: Images seen by each division before it; is brought up to
                date.
        """
        return [
            (i, category)
            for i, category, left_out in facts.readable
            if self._takes_next(counts) and not left_out
        ]

    def require(self, used: int, seen: int) -> None:
        """Refuse a pass that has found no image."""
        if not used:
            raise ValueError(
                f'expected images to {self.purpose}, found none among {seen}; '
                'give more images'
            )

    def _leaves_out(self, path: str) -> bool:
        return bool(self.without) and os.path.realpath(path) in self.without

    def _takes_next(self, counts: list[int]) -> bool:
        for i, (every, held_out) in enumerate(self.divisions):
            counts[i] += 1
            if is_held_out(counts[i] - 1, every) != held_out:
                return False
        return True

    def part(self, every: int, held_out: bool) -> FittingImages:
        """Divide these images: without one of each n, or those alone."""
        return replace(
            self,
            divisions=(*self.divisions, (every, held_out)),
            purpose='measure on' if held_out else 'fit to',
        )


def paths_of(samples: Sequence) -> list[str]:
    """Return the paths of images; '' where they come from no file."""
    return [str(sample.get('img_path', '')) for sample in samples]
