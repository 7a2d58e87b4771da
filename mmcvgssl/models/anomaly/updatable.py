"""A model that learns from more images later."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from mmcvgssl.models.anomaly.anomaly_model import AnomalyModel
from mmcvgssl.models.anomaly.fitted_state import FittedStateError
from mmcvgssl.models.anomaly.fitting_images import FittingImages
from mmcvgssl.models.anomaly.passes import Passes

_MEASURED = ('operating_point', 'map_threshold')


class Updatable(AnomalyModel):
    """Base class of models that go on from what they have learned.

    ``basis`` holds what an update goes on from, beside the fitted state;
    subclasses write :meth:`_add`.

    Args:
        *args: Of :class:`AnomalyModel`.
        **kwargs: Of :class:`AnomalyModel`.

    Example:
        >>> from mmpretrain.structures import DataSample
        >>> from mmcvgssl.models import HostTeacher, MahalanobisAD
        >>> conv = torch.nn.Conv2d(3, 8, 4, 4)
        >>> teacher = HostTeacher(conv, input_size=32, levels=[0])
        >>> model = MahalanobisAD(teacher)
        >>> good = torch.randint(256, (6, 3, 32, 32), dtype=torch.uint8)
        >>> batches = [
        ...     dict(inputs=[one], data_samples=[DataSample()]) for one in good
        ... ]
        >>> model.fit(batches[:4])
        >>> model.update(batches[4:])
        >>> int(model.basis['moments.count'])  # patches of all six
        384
    """

    def learn(
        self, images: FittingImages, held_out: FittingImages | None = None
    ) -> None:
        """Fit to prepared images; see :meth:`fit`."""
        super().learn(images, held_out)
        # the division of images goes on after it; 0: they were not divided
        divided = held_out is None and self._holds_out()
        count = images.passes.counts[0] if divided else 0
        self.basis['images'] = torch.tensor(count)

    def _fit(self, images: FittingImages) -> None:
        self.state, self.basis = {}, {}
        self._add(images)

    def _add(self, images: FittingImages) -> None:
        """Learn from images beside those before, if there is a ``basis``."""
        raise NotImplementedError(
            f'{type(self).__name__} must implement _add()'
        )

    def require_updatable(self, where: str) -> None:
        """Refuse a model without what an update goes on from.

        Args:
            where: The file, for messages.

        Raises:
            FittedStateError: If it has none.
        """
        if not self.basis:
            raise FittedStateError(
                f'{where}: expected a fitted {type(self).__name__} with what '
                'an update goes on from (tensors `update.…`), got one '
                'without, as earlier versions of this package wrote it: fit '
                'anew to all images'
            )

    @property
    def hold_out_every(self) -> int:
        """One of each n images is held out; 0: none is."""
        if not self._holds_out() or not self.images_seen:
            return 0
        return self.block

    @property
    def images_seen(self) -> int:
        """Number of images before, where some of them are held out."""
        return int(self.basis['images'])

    @property
    def held_out_digests(self) -> list[str]:
        """Digests of the files that were measured, in their order."""
        known = self.basis.get('held_out')
        if known is None:
            return []
        return [bytes(row).hex() for row in known.tolist()]

    def note_images(self, held_out: list[str], seen: int = 0) -> None:
        """Note which images were measured.

        Args:
            held_out: Digests of their files, in their order.
            seen: Number of images beside those known so far.
        """
        if not self.basis:
            return
        if held_out:
            rows = [list(bytes.fromhex(digest)) for digest in held_out]
            self.basis['held_out'] = torch.tensor(rows, dtype=torch.uint8)
        if self.images_seen:
            self.basis['images'] = self.basis['images'] + seen

    @torch.no_grad()
    def update(
        self,
        batches: Iterable[dict],
        held_out: Iterable[dict] | None = None,
        anew: bool = False,
        passes: Passes | None = None,
    ) -> None:
        """Learn from more images beside those of before.

        Args:
            batches: Batches of new good images to learn from.
            held_out: Batches of good images that nothing learns from, for
                the threshold; None: it stays.
            anew: Whether ``held_out`` has those of before, too, so that
                calibration and threshold are measured anew on them alone.
                Without, the curve of calibration stays, and the scores of
                earlier images count as they were.
            passes: See :meth:`fit`.

        Raises:
            FittedStateError: If there is nothing to go on from.
            ValueError: If there are no images.
        """
        self.require_updatable('the model')

        def learn(
            images: FittingImages, measuring: FittingImages | None
        ) -> None:
            stays: dict[str, Tensor] = {
                k: v for k, v in self.state.items() if k in _MEASURED
            }
            self._add(images)
            self.state = {k: v.contiguous() for k, v in self.state.items()}
            self.state |= stays
            if measuring is not None and anew:
                self._measure(measuring, apart=True)
            elif measuring is not None:
                self._measure_threshold(measuring, more=True)

        self._go_through(learn, batches, held_out, passes)
