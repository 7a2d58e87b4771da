"""Images that benchmarks make: noisy grey surfaces with a scratch each."""

from pathlib import Path

import cv2
import numpy as np

DIFFERENT = 256


def scratched(random: np.random.Generator, side: int) -> np.ndarray:
    """Draw a surface, uint8 [side, side]."""
    image = random.normal(128, 20, (side, side)).clip(0, 255)
    image = cv2.GaussianBlur(image, (5, 5), 1).astype(np.uint8)
    ends = random.integers(0, side, 4).tolist()
    return cv2.line(image, tuple(ends[:2]), tuple(ends[2:]), 220, 2)


def write_surfaces(folder: Path, n: int, side: int) -> None:
    """Write surfaces as JPEGs, from the 257th on under other names."""
    random = np.random.default_rng(0)
    for i in range(n):
        path = folder / f'{i:05}.jpg'
        if i < DIFFERENT:
            cv2.imwrite(str(path), scratched(random, side))
        else:
            path.hardlink_to(folder / f'{i % DIFFERENT:05}.jpg')
