"""The base class of frozen teachers."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmcvgssl.models.layers import resize_images
from mmcvgssl.models.layers.global_pool import checked_poolings, pool_map
from mmcvgssl.models.layers.resize_images import filtered
from mmcvgssl.models.teachers.folded_norms import fold_norms

# of the images of which a processor makes maps at once: 16 of 256 px, for
# whose inner levels a network needs 0.5 GB
_CPU_PIXELS = 1 << 20


class FrozenTeacher(nn.Module):
    """An image encoder that owns its normalisation and never learns.

    It takes RGB images in [0, 1] of any size. It resizes and normalises them
    as its weights need, and it always stays in eval mode.
    :func:`copy.deepcopy` returns the teacher itself, so that an averaged copy
    of a student shares it.

    Args:
        tower: The network.
        mean: Mean of RGB channels in [0, 1].
        std: Standard deviation of RGB channels in [0, 1].
        input_size: Height and width in pixels, or one number for both.
        levels: Inner levels whose pooled features precede the embedding in
            :meth:`encode`; what a number means is the subclass's to say.
        interpolation: ``'bicubic'`` or ``'bilinear'``.
        poolings: How levels are pooled, each way for itself: ``'mean'``,
            ``'std'``, ``'max'``.
        pyramid: Smaller sides in pixels, at which :meth:`encode` looks at the
            images as well, for what is too large to be seen at full size.

    Attributes:
        feature_width: Width of the embedding.
        level_widths: Widths of what :meth:`encode` returns.
        map_widths: Channels of what :meth:`local_features` returns.

    Raises:
        ValueError: If an option is out of range.

    Example:
        >>> class MeanColour(FrozenTeacher):
        ...     def _run(self, images):
        ...         return [], self.network(images).flatten(1)
        >>> pool = nn.AdaptiveAvgPool2d(1)
        >>> teacher = MeanColour(pool, (0.5,) * 3, (0.5,) * 3, input_size=8)
        >>> teacher(torch.rand(2, 3, 40, 30)).shape, teacher.feature_width
        (torch.Size([2, 3]), 3)
    """

    tower: Any
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        tower: nn.Module,
        mean: Sequence[float],
        std: Sequence[float],
        input_size: int | Sequence[int],
        levels: Sequence[int] = (),
        interpolation: str = 'bicubic',
        poolings: Sequence[str] = ('mean',),
        pyramid: Sequence[int] = (),
    ) -> None:
        super().__init__()
        if interpolation not in ('bicubic', 'bilinear'):
            raise ValueError(
                "interpolation must be 'bicubic' or 'bilinear', got "
                f'{interpolation!r}'
            )
        tower.eval()  # not chained: mmpretrain returns None here
        self.tower = tower.requires_grad_(False)
        self.levels = tuple(levels)
        self.interpolation = interpolation
        size = (
            (input_size, input_size)
            if isinstance(input_size, int)
            else tuple(input_size)
        )
        self.input_size: tuple[int, int] = (size[0], size[1])
        self.poolings = checked_poolings(poolings)
        self.pyramid = _checked_pyramid(pyramid, self.input_size)
        self.register_buffer('mean', torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer('std', torch.tensor(std).view(-1, 1, 1))
        self.training = False
        # what runs, and the tensors of the tower that it was made from; a
        # tuple keeps it out of the state
        self._ready: tuple[tuple, Any] = (), tower
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            probe = self._encode(torch.zeros(1, 3, *self.input_size))
        self.level_widths = tuple(feature.shape[1] for feature in probe)
        self.feature_width = self.level_widths[-1]
        ways = len(self.poolings)
        ours = self.level_widths[-1 - ways * len(self.levels) : -1]
        self.map_widths = ours[::ways]

    def resize(self, images: Tensor) -> Tensor:
        """Bring images [N, 3, H, W] in [0, 1] to the tower's input size."""
        return resize_images(images, self.input_size, self.interpolation)

    def preprocess(self, images: Tensor) -> Tensor:
        """Resize and normalise RGB images [N, 3, H, W] in [0, 1]."""
        return (self.resize(images) - self.mean) / self.std

    def forward(self, images: Tensor) -> Tensor:
        """Embed RGB images [N, 3, H, W] in [0, 1] to [N, feature_width]."""
        return self.encode(images)[-1]

    @torch.no_grad()
    def encode(self, images: Tensor) -> list[Tensor]:
        """Return the pooled levels and, last, the embedding.

        Args:
            images: RGB [N, 3, H, W] in [0, 1].

        Returns:
            Matrices [N, w] for w in ``level_widths``: levels and embedding at
            each side of ``pyramid``, then those at full size.
        """
        self._prepare()
        with torch.inference_mode():
            found = self._encode(images)
        # copied outside inference mode, so that autograd can save it
        return [level.clone() for level in found]

    def _encode(self, images: Tensor) -> list[Tensor]:
        found: list[Tensor] = []
        whole = self.preprocess(images)
        for side in self.pyramid:
            small = filtered(whole, (side, side), self.interpolation)
            found += self._pool(*self._run(small))
        return found + self._pool(*self._run(whole))

    def _pool(self, maps: Sequence[Tensor], embedding: Tensor) -> list[Tensor]:
        """Return maps [N, C, h, w], pooled in each way, and the embedding."""
        pooled = [
            pool_map(m.float(), way) for m in maps for way in self.poolings
        ]
        return [*pooled, embedding.float()]

    @torch.no_grad()
    def local_features(self, images: Tensor) -> list[Tensor]:
        """Return the maps [N, C, h, w] of the levels.

        Args:
            images: RGB [N, 3, H, W] in [0, 1].
        """
        self._prepare()
        prepared = self.preprocess(images)
        parts = [prepared]
        # a graph takes any number of images, so it does not split them
        if prepared.is_cpu and not torch.onnx.is_in_onnx_export():
            height, width = prepared.shape[-2:]
            # convolutions of processors are faster in this layout
            prepared = prepared.contiguous(memory_format=torch.channels_last)
            parts = prepared.split(max(_CPU_PIXELS // (height * width), 1))
        found = [self._maps(part) for part in parts]
        if len(found) == 1:  # nothing to copy
            return [maps.float() for maps in found[0]]
        return [torch.cat(maps).float() for maps in zip(*found, strict=True)]

    @property
    def network(self) -> Any:
        """The tower as it runs: with batch norms in its convolutions."""
        # graphs are written with the tower's own weights
        if torch.onnx.is_in_onnx_export():
            return self.tower
        return self._ready[1]

    def _prepare(self) -> None:
        """Make what runs anew, where the tower's weights have changed."""
        if torch.onnx.is_in_onnx_export():
            return
        every = [*self.tower.parameters(), *self.tower.buffers()]
        state = tuple(
            (t.data_ptr(), 0 if t.is_inference() else t._version)
            for t in every
        )
        if self._ready[0] == state:
            return
        random = torch.Generator().manual_seed(0)
        example = torch.randn(1, 3, *self.input_size, generator=random)
        example = example.to(self.mean)

        def run(network: nn.Module) -> list[Tensor]:
            other = copy.copy(self)
            other._ready = (), network
            maps, embedding = other._run(example)
            return [*maps, embedding]

        kind = self.mean.device.type
        with (
            torch.inference_mode(False),
            torch.no_grad(),
            torch.autocast(kind, enabled=False),
        ):
            self._ready = state, fold_norms(self.tower, run)

    def _maps(self, images: Tensor) -> Sequence[Tensor]:
        """Return maps [N, C, h, w] of the levels alone."""
        return self._run(images)[0]

    def _run(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return maps [N, C, h, w] of the levels and the embedding [N, D].

        Subclasses run :attr:`network`.
        """
        raise NotImplementedError(
            f'{type(self).__name__} must implement _run()'
        )

    def train(self, mode: bool = True) -> FrozenTeacher:
        """Stay in eval mode."""
        return super().train(False)

    def __deepcopy__(self, memo: dict) -> FrozenTeacher:
        return self


def _checked_pyramid(
    given: Sequence[int], size: tuple[int, int]
) -> tuple[int, ...]:
    sides = tuple(given)
    sound = all(type(side) is int and 0 < side < min(size) for side in sides)
    if not sound or len({*sides}) < len(sides):
        raise ValueError(
            'pyramid: expected sides in pixels, each once and below the '
            f'input_size of {min(size)}, got {given!r}'
        )
    return sides
