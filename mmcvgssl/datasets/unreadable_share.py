"""The share of unreadable images of a data set, and its limit."""

from __future__ import annotations

import multiprocessing

import torch
from mmengine.logging import MMLogger

from mmcvgssl.datasets.reading import TooManyUnreadableError
from mmcvgssl.datasets.shared import Shared

# largest share of unreadable images where nothing else is said
MAX_UNREADABLE = 0.1
# the workers of a loader are forked and share it
_MARKING = multiprocessing.Lock()


def check_share(most: float) -> None:
    """Refuse what is no share of images.

    Raises:
        ValueError: If it is not in [0, 1].
    """
    if isinstance(most, str) or not 0 <= most <= 1:
        raise ValueError(f'max_unreadable is a share in [0, 1], got {most!r}')


class UnreadableShare:
    """Counts images that are skipped, over all workers of a loader.

    Args:
        most: Largest share of all images, in [0, 1].

    Raises:
        ValueError: If the share is out of range.
    """

    def __init__(self, most: float) -> None:
        check_share(most)
        self.most = most
        self._marks = Shared(torch.zeros(0, dtype=torch.uint8))
        self._n_left_out = 0

    def __contains__(self, index: int) -> bool:
        return bool(self._marks.values[index])

    def indices(self) -> list[int]:
        """Return the images that are skipped, but for those left out."""
        return self._marks.values.nonzero().flatten().tolist()

    @property
    def count(self) -> int:
        """How many images are skipped or left out."""
        return self._n_left_out + int(self._marks.values.sum())

    @property
    def total(self) -> int:
        """How many images there are, with those left out."""
        return self._n_left_out + len(self._marks.values)

    def resize(self, n: int) -> None:
        """Begin anew with this many images, besides those left out."""
        self._marks = Shared(torch.zeros(n, dtype=torch.uint8))

    def leave_out(self, count: int) -> None:
        """Count images that are no longer among the others."""
        self._n_left_out += count

    def mark(self, index: int, reason: str) -> None:
        """Skip an image from now on, and say so.

        Raises:
            TooManyUnreadableError: If too many are skipped.
        """
        with _MARKING:
            if index in self:
                return
            self._marks.values[index] = 1
            count = self.count
        MMLogger.get_current_instance().warning(
            f'skipping unreadable image {count} of {self.total}: {reason}'
        )
        if count > self.most * self.total:
            raise TooManyUnreadableError(
                f'{count} of {self.total} images cannot be read, more than '
                f'the share of {self.most:g} allowed; repair or remove them, '
                'or raise max_unreadable (--cfg-options max_unreadable=0.3); '
                f'the last: {reason}'
            )
