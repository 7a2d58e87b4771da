"""Parts of real photographs, which scikit-learn brings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_image

SIDE = 96
NAMES = ('china', 'flower')


def write_photographs(folder: Path, count: int) -> dict[str, list[Path]]:
    """Write square parts of two photographs.

    Returns:
        Paths by photograph.
    """
    found = {}
    for name in NAMES:
        values = load_sample_image(f'{name}.jpg')
        random = np.random.RandomState(0)
        paths = []
        for i in range(count):
            y = random.randint(values.shape[0] - SIDE)
            x = random.randint(values.shape[1] - SIDE)
            part = Image.fromarray(values[y : y + SIDE, x : x + SIDE])
            paths.append(folder / f'{name}{i}.png')
            part.save(paths[-1])
        found[name] = paths
    return found
