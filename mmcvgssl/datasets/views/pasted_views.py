"""Views with a piece of the image pasted elsewhere into it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmcvgssl.datasets.views.canvas import Canvas
from mmcvgssl.datasets.views.drawn_views import DrawnViews
from mmcvgssl.datasets.views.steps import (
    Jitter,
    change_colours,
    colour_numbers,
)

_PARTS = (4, Jitter.width, 1, 2)  # numbers: box, colours, angle, corner


class PastedViews(DrawnViews):
    """The image with other colours, then with something pasted into it.

    Args:
        jitter: Draws the colours of the image, a ``ColorJitter``.
        pastes: Each draws what is pasted into a view after the first: a box
            of the image, its colours, an angle and a corner.
    """

    one_size = True

    def __init__(self, jitter: Any, pastes: Sequence[Any]) -> None:
        super().__init__()
        self.colours = Jitter(jitter)
        self.pastes = list(pastes)
        self.added = {'view_labels': np.arange(1 + len(self.pastes))}

    def draw(self, size: tuple[int, int]) -> list[float]:
        numbers = [*self.colours.draw()]
        for paste in self.pastes:
            drawn = paste.draw(size)
            numbers += [
                *drawn.box,
                *colour_numbers(*drawn.colours),
                drawn.angle,
                *drawn.corner,
            ]
        return list(map(float, numbers))

    def paint(self, canvas: Canvas, values: Tensor) -> list[Tensor]:
        parts = [self.colours.width] + [sum(_PARTS)] * len(self.pastes)
        first, *others = values.split(parts, dim=1)
        normal = self.colours.paint(canvas.pixels.float(), first)
        return [normal, *(_pasted(normal, numbers) for numbers in others)]


def _pasted(images: Tensor, numbers: Tensor) -> Tensor:
    """Paste a piece of each image [N, 3, H, W] into it."""
    box, colours, angle, corner = numbers.split(_PARTS, dim=1)
    top, left, high, wide = (side.view(-1, 1, 1) for side in box.unbind(1))
    height, width = images.shape[-2:]
    y = torch.arange(height, device=images.device).view(1, -1, 1)
    x = torch.arange(width, device=images.device).view(1, 1, -1)

    source = (y >= top) & (y < top + high) & (x >= left) & (x < left + wide)
    changed = change_colours(images, colours, region=source[:, None])

    # positions in the piece before it is turned, [N, H, W]
    below, right = (side.view(-1, 1, 1) for side in corner.unbind(1))
    middle = (high - 1) / 2, (wide - 1) / 2
    down, along = y - below - middle[0], x - right - middle[1]
    turn = torch.deg2rad(angle).view(-1, 1, 1)
    own_y = turn.sin() * along + turn.cos() * down + middle[0]
    own_x = turn.cos() * along - turn.sin() * down + middle[1]
    inside = (own_y >= -0.5) & (own_y < high - 0.5)
    inside &= (own_x >= -0.5) & (own_x < wide - 0.5)

    # half a pixel beyond its edges the piece is as at its edges
    at_y = top + own_y.clamp(min=0).minimum(high - 1)
    at_x = left + own_x.clamp(min=0).minimum(wide - 1)
    scale = 2 / max(width - 1, 1), 2 / max(height - 1, 1)
    grid = torch.stack([at_x * scale[0] - 1, at_y * scale[1] - 1], dim=-1)
    piece = F.grid_sample(changed, grid, align_corners=True)
    return torch.where(inside[:, None], piece, images)
