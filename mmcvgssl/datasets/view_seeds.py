"""Seeds of random views."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch.utils.data import _utils, get_worker_info

from mmcvgssl.datasets.epoch_sampler import current_draw
from mmcvgssl.datasets.shared import Shared
from mmcvgssl.randomness import (
    GeneratorStates,
    derive_seed,
    isolated,
    seed_generators,
)
from mmcvgssl.utils import check_least

_UNKNOWN = -1


class ViewSeeds:
    """Seeds the random views of a data set by sample and epoch.

    The view of sample i in epoch e depends on the seed, on e, on i and on how
    often wrappers have repeated i in this epoch. It does not depend on
    workers, processes, samplers, wrappers or a restart. The epoch is set by
    the loader (:func:`mmcvgssl.datasets.attach_epochs`, which
    ``mmcvgssl.EpochSeedHook`` calls) or by ``set_epoch``.

    Args:
        seed: Seed of the views; None: that of the run, 0 until it is set.
        fixed_views: Number of sets of views after which they repeat; 0:
            new ones in each epoch.
        repeat: Passes over the images that count as an epoch.

    Raises:
        ValueError: If ``fixed_views`` is negative.

    Attributes:
        member: Number of this data set among those of a wrapper.

    Example:
        >>> views = ViewSeeds(seed=1)
        >>> views.resize(n_images=10)
        >>> drawn = []
        >>> for epoch in (0, 1, 0):
        ...     views.set_epoch(epoch)
        ...     with views.seeded(idx=3, guard=False):
        ...         drawn.append(float(torch.rand(1)))
        >>> drawn[0] == drawn[2], drawn[0] == drawn[1]
        (True, False)
    """

    def __init__(
        self, seed: int | None = None, fixed_views: int = 0, repeat: int = 1
    ) -> None:
        check_least(fixed_views=(fixed_views, 0))
        self.seed, self.fixed_views, self.repeat = seed, fixed_views, repeat
        self.run_seed, self.member, self.n_images = 0, 0, 0
        self._epoch = Shared(torch.full((1,), _UNKNOWN))
        self._shown = Shared(torch.zeros(0, dtype=torch.uint8))

    def resize(self, n_images: int) -> None:
        """Take the number of images."""
        self.n_images = n_images
        self._shown = Shared(torch.zeros(n_images, dtype=torch.uint8))

    def set_epoch(self, epoch: int) -> None:
        """Choose the views of what is read without a draw of its own."""
        self._epoch.values.fill_(epoch)

    def words(self, idx: int) -> list[int]:
        """Return all that the view of a sample depends on."""
        seed = self.run_seed if self.seed is None else self.seed
        words = [seed, self._view_set(), self._position(idx)]
        return [*words, self.member] if self.member else words

    def number(self, idx: int) -> int:
        """Number the views of an image: two of one number are the same.

        It is the number of the set of views, and beyond bit 32 that of the
        pass over the images, and beyond bit 56 that of the data set.
        """
        turn = self._position(idx) // self.n_images
        return self._view_set() | turn << 32 | self.member << 56

    @contextmanager
    def seeded(self, idx: int, guard: bool) -> Iterator[None]:
        """Seed the generators for the view of a sample, then give them back.

        Args:
            idx: Index of the sample.
            guard: Refuse to show the same view in two epochs.

        Raises:
            RuntimeError: If a loader goes over the samples again, views are
                random and the epoch was not set.
        """
        known = (
            current_draw() is not None or int(self._epoch.values) != _UNKNOWN
        )
        # a batch that is being read restores the generators itself
        own = isolated if current_draw() is None else nullcontext
        with own():
            seed_generators(derive_seed(*self.words(idx)))
            if known or not guard:
                yield
                return
            start = GeneratorStates.read()
            yield
            if not start.unchanged():
                self._show(idx)

    def _view_set(self) -> int:
        draw = current_draw()
        epoch = max(int(self._epoch.values), 0) if draw is None else draw.epoch
        return epoch % self.fixed_views if self.fixed_views else epoch

    def _position(self, idx: int) -> int:
        draw = current_draw()
        again = 0 if draw is None else draw.again
        return idx + again * self.repeat * self.n_images

    def _show(self, idx: int) -> None:
        if idx >= self.n_images or not _a_loader_reads():
            return
        if self._shown.values[idx]:
            raise RuntimeError(
                'the loader reads the images again without a new epoch, so '
                'that each would show the same views: '
                "add dict(type='mmcvgssl.EpochSeedHook') to custom_hooks, or "
                'call set_epoch(epoch) of the data set before each pass'
            )
        self._shown.values[idx] = 1


def _a_loader_reads() -> bool:
    """Whether it is a loader that asks, not somebody who looks at samples."""
    if get_worker_info() is not None:
        return True
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename == _utils.fetch.__file__:
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False
