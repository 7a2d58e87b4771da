"""One pass over the images of a fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from mmcvgssl.models.anomaly.gathered import Resumable


class Chooser(Resumable, Protocol):
    """Chooses images by their categories, the same in every process."""

    @property
    def full(self) -> bool:
        """Whether no image is needed any more."""

    @property
    def stops(self) -> bool:
        """Whether it may be full before all images were seen."""

    def choose(self, categories: Sequence[str]) -> tuple[list[int], Any]:
        """Look at the next batch.

        Args:
            categories: Categories of its images; '' where they have none.

        Returns:
            Indices of the images that are needed, and what ``compute`` is to
            know of them.
        """


class EveryImage:
    """Takes every image, and gives the number of those before the batch.

    Args:
        batches: Number of batches to take; 0: all.
        images: Number of images to take; 0: all.
    """

    def __init__(self, batches: int = 0, images: int = 0) -> None:
        self._limit, self._batches = batches, 0
        self._most, self._images = images, 0

    @property
    def stops(self) -> bool:
        """Whether it may be full before all images were seen."""
        return self._limit > 0 or self._most > 0

    @property
    def full(self) -> bool:
        """Whether no image is needed any more."""
        return (
            0 < self._limit <= self._batches or 0 < self._most <= self._images
        )

    def choose(self, categories: Sequence[str]) -> tuple[list[int], int]:
        """Take the images of the next batch."""
        before, count = self._images, len(categories)
        if self._most:
            count = min(count, self._most - before)
        self._batches += 1
        self._images += count
        return list(range(count)), before

    def state_dict(self) -> dict[str, Tensor]:
        """Return the number of images so far."""
        return {'seen': torch.tensor([self._batches, self._images])}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take what :meth:`state_dict` gave."""
        self._batches, self._images = state['seen'].tolist()


@dataclass(frozen=True)
class FitPass:
    """The functions of one pass over the images.

    Args:
        title: Title of the progress bar; also names the pass in files.
        compute: Makes something of images [N, 3, H, W], their data samples
            and what the chooser says of them, in the process that has read
            them: tensors, texts and numbers, in tuples and lists.
        take: Takes it, in the order of the images, in the first process.
        parts: All that ``take`` changes, by names.
        chooser: Chooser of the images.
    """

    title: str
    compute: Callable[[Tensor, list, Any], Any]
    take: Callable[[Any], None]
    parts: Mapping[str, Resumable]
    chooser: Chooser = field(default_factory=EveryImage)


def pick(
    inputs: Tensor, samples: Sequence, indices: list[int]
) -> tuple[Tensor, list]:
    """Return the images and data samples at some indices of a batch.

    Args:
        inputs: Images [N, 3, H, W]; where all are wanted, no copy is made.
        samples: Their data samples.
        indices: Indices in ascending order.
    """
    if len(indices) == len(inputs):
        return inputs, list(samples)
    return inputs[indices], [samples[i] for i in indices]
