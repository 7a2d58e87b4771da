"""Surfaces that differ in all their details, as photographs do."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def surface(seed: int, side: int = 56) -> np.ndarray:
    """Make a grey picture of spots of several sizes, uint8 [side, side]."""
    random = np.random.RandomState(seed)
    picture = np.zeros((side, side), np.float32)
    for sigma in (1.2, 3.0, 8.0):
        noise = random.normal(size=(side, side)).astype(np.float32)
        spots = cv2.GaussianBlur(noise, (0, 0), sigma)
        picture += spots / spots.std()
    return np.clip(128 + 28 * picture, 0, 255).astype(np.uint8)


def save_surface(path: Path, seed: int, side: int = 56) -> Path:
    """Write a surface; parent folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), surface(seed, side))
    return path


def write_surfaces(
    root: Path, names=('dent', 'rust'), count: int = 6, first: int = 0
) -> Path:
    """Write a folder of surfaces for each class."""
    for k, name in enumerate(names):
        for i in range(count):
            save_surface(root / name / f'{i}.png', first + 100 * k + i)
    return root
