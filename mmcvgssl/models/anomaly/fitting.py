"""The images that a map generator learns from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from mmpretrain.structures import DataSample
from torch import Tensor, nn


@dataclass(frozen=True)
class FittingImages:
    """Batches of a loader, whole or without every n-th image; re-iterable.

    Args:
        batches: ``inputs`` and ``data_samples``, as a data loader gives.
        preprocessor: Makes RGB images in [0, 1] of them.
        divisions: One after the other: the number of which each image is held
            out, and whether to give those held out or the others.
        purpose: For the message if there is no image.
        without: Absolute paths of images that are left out.

    Raises:
        ValueError: If it gives no image, when iterated.
    """

    batches: Iterable[dict]
    preprocessor: nn.Module
    divisions: tuple[tuple[int, bool], ...] = ()
    purpose: str = 'fit to'
    without: frozenset[str] = frozenset()

    def __iter__(self) -> Iterator[tuple[Tensor, list]]:
        seen = used = 0
        counts = [0] * len(self.divisions)
        for batch in self.batches:
            data = self.preprocessor(batch, False)
            inputs, samples = data['inputs'], data.get('data_samples')
            samples = samples or [DataSample() for _ in range(len(inputs))]
            keep = [
                i
                for i, sample in enumerate(samples)
                if not sample.get('unreadable')
                and self._keeps_next(counts)
                and os.path.realpath(sample.get('img_path', ''))
                not in self.without
            ]
            seen += len(samples)
            used += len(keep)
            if keep:
                yield inputs[keep], [samples[i] for i in keep]
        if not used:
            raise ValueError(
                f'expected images to {self.purpose}, found none among {seen}; '
                'give more images'
            )

    def _keeps_next(self, counts: list[int]) -> bool:
        for i, (every, held_out) in enumerate(self.divisions):
            counts[i] += 1
            if (counts[i] % every == 0) != held_out:
                return False
        return True

    def part(self, every: int, held_out: bool) -> FittingImages:
        """Divide these images: without every n-th, or those alone."""
        return replace(
            self,
            divisions=(*self.divisions, (every, held_out)),
            purpose='measure on' if held_out else 'fit to',
        )
