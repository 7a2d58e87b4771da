"""The 3-way views as their public description makes them: PIL, torchvision."""

from __future__ import annotations

import math
import random

from PIL import Image
from torch import Tensor
from torchvision import transforms as T

AREA, ASPECT = (0.02, 0.15), (0.3, 1 / 0.3)
WIDTHS, HEIGHTS, TURNS = (2, 16), (10, 25), (-45, 45)


class PlainViews:
    """A path to three normalised views [3, H, W].

    Args:
        size: Side in pixels.
        mean: Of RGB channels in [0, 255].
        std: The same.
    """

    def __init__(self, size: int, mean, std) -> None:
        self.resize = T.Resize((size, size))
        self.jitter = T.ColorJitter(0.1, 0.1, 0.1, 0.1)
        self.last = T.Compose(
            [
                T.ToTensor(),
                T.Normalize([m / 255 for m in mean], [s / 255 for s in std]),
            ]
        )

    def __call__(self, path: str) -> list[Tensor]:
        """Read an image and make its views."""
        image = Image.open(path)
        image.draft(None, self.resize.size)  # a JPEG at a fraction
        image = self.resize(image.convert('RGB'))
        normal = self.jitter(image)
        views = [normal, self.rectangle(normal), self.scar(normal)]
        return [self.last(view) for view in views]

    def rectangle(self, image: Image.Image) -> Image.Image:
        """Paste a rectangle."""
        width, height = image.size
        area = random.uniform(*AREA) * width * height
        aspect = math.exp(random.uniform(*map(math.log, ASPECT)))
        w = min(max(round(math.sqrt(area * aspect)), 1), width)
        h = min(max(round(math.sqrt(area / aspect)), 1), height)
        patch = self.jitter(_cut(image, w, h))
        pasted = image.copy()
        pasted.paste(patch, _place(image, w, h))
        return pasted

    def scar(self, image: Image.Image) -> Image.Image:
        """Paste a rotated scar through its mask."""
        scale = min(image.size) / 256
        w = max(round(random.uniform(*WIDTHS) * scale), 1)
        h = max(round(random.uniform(*HEIGHTS) * scale), 1)
        patch = self.jitter(_cut(image, w, h)).convert('RGBA')
        patch = patch.rotate(random.uniform(*TURNS), expand=True)
        pasted = image.copy()
        mask = patch.split()[-1]
        place = _place(image, *patch.size)
        pasted.paste(patch.convert('RGB'), place, mask=mask)
        return pasted


def _cut(image: Image.Image, w: int, h: int) -> Image.Image:
    x, y = _place(image, w, h)
    return image.crop((x, y, x + w, y + h))


def _place(image: Image.Image, w: int, h: int) -> tuple[int, int]:
    width, height = image.size
    x = random.randint(0, max(width - w, 0))
    return x, random.randint(0, max(height - h, 0))
