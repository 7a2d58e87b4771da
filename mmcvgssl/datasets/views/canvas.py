"""Images of several sizes in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

_FLOATS = 2**26  # numbers of a canvas that are floats at once: 256 MiB


class Canvas(NamedTuple):
    """Images on one canvas each, in its upper left corner.

    Args:
        pixels: uint8 [N, C, H, W]; what lies beyond an image is never read.
        sizes: Height and width of each image [N, 2].
    """

    pixels: Tensor
    sizes: Tensor

    @classmethod
    def of(cls, images: Sequence[Tensor]) -> Canvas:
        """Put images uint8 [C, h, w] on canvases of the largest size.

        Example:
            >>> images = [torch.zeros(3, 4, 8), torch.zeros(3, 6, 5)]
            >>> canvas = Canvas.of(images)
            >>> tuple(canvas.pixels.shape), canvas.sizes.tolist()
            ((2, 3, 6, 8), [[4, 8], [6, 5]])
        """
        sizes = torch.tensor([image.shape[-2:] for image in images])
        if (sizes == sizes[0]).all():
            return cls(torch.stack(list(images)), sizes)
        height, width = sizes.amax(0).tolist()
        channels = images[0].shape[0]
        pixels = images[0].new_empty(len(images), channels, height, width)
        for own, image in zip(pixels, images, strict=True):
            own[:, : image.shape[1], : image.shape[2]] = image
        return cls(pixels, sizes)

    def crop(self, boxes: Tensor, size: tuple[int, int]) -> Tensor:
        """Crop each image and resize the crop, bilinearly as OpenCV does.

        Args:
            boxes: Top, left, height and width of the crops in pixels [N, 4].
            size: Height and width of the result.

        Returns:
            float32 [N, C, *size] in [0, 255].
        """
        top, left, high, wide = boxes.float().unbind(1)
        return self.at(
            _positions(top, high, size[0]), _positions(left, wide, size[1])
        )

    def at(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Read each image between its pixels, bilinearly.

        Args:
            rows: Positions within the images in pixels [N, h].
            columns: The same along the other axis [N, w].

        Returns:
            float32 [N, C, h, w] in [0, 255].
        """
        height, width = self.pixels.shape[-2:]
        y = rows * (2 / max(height - 1, 1)) - 1
        x = columns * (2 / max(width - 1, 1)) - 1
        grid = torch.stack(
            [
                x[:, None, :].expand(-1, rows.shape[1], -1),
                y[:, :, None].expand(-1, -1, columns.shape[1]),
            ],
            dim=-1,
        )
        # the positions lie within the images, so nothing beyond is read;
        # a few images at a time are floats, as all large ones would not fit
        at_once = max(1, _FLOATS // self.pixels[0].numel())
        parts = zip(
            self.pixels.split(at_once), grid.split(at_once), strict=True
        )
        return torch.cat(
            [
                F.grid_sample(images.float(), where, align_corners=True)
                for images, where in parts
            ]
        )


def _positions(start: Tensor, length: Tensor, count: int) -> Tensor:
    """Return where pixels of a resized crop lie, [N, count]."""
    steps = torch.arange(count, device=start.device, dtype=torch.float32)
    inner = (steps + 0.5) * (length[:, None] / count) - 0.5
    return start[:, None] + inner.clamp(min=0).minimum(length[:, None] - 1)
