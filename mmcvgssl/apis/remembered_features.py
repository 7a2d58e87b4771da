"""Features of images that stay as they are, each computed once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmcvgssl.apis.encoder import Encoder
from mmcvgssl.apis.features import Extracts, Features


class RememberedFeatures:
    """Computes features of images that it has not seen, and keeps them.

    Args:
        extractor: Computes them. Several of these can have one.

    Example:
        >>> from mmcvgssl.apis.features import FeatureExtractor
        >>> extractor = FeatureExtractor('model.safetensors')
        >>> features = RememberedFeatures(extractor)
        >>> first = features(['test_images/good/0.png'])
        >>> both = features(['test_images/crack/0.png', *features.paths])
        >>> bool((both.rows[1] == first.rows[0]).all())
        True
    """

    def __init__(self, extractor: Extracts) -> None:
        self._extractor = extractor
        self._rows: dict[str, np.ndarray] = {}
        self._sizes: dict[str, tuple[int, int]] = {}
        self.errors: dict[str, str] = {}
        self.reading: dict[str, Any] = {}

    @property
    def encoder(self) -> Encoder:
        """The network, and how a classifier's file describes it."""
        return self._extractor.encoder

    @property
    def paths(self) -> list[str]:
        """Images whose features are known."""
        return [*self._rows]

    def __call__(self, paths: Sequence[str | Path]) -> Features:
        """Return features; what cannot be read has an error.

        Raises:
            ValueError: If there is no image.
        """
        names = [str(path) for path in paths]
        seen = {*self._rows, *self.errors}
        new = [*dict.fromkeys(name for name in names if name not in seen)]
        if new or not names:
            self._compute(new)
        read = [i for i, name in enumerate(names) if name in self._rows]
        rows = [self._rows[names[i]] for i in read]
        return Features(
            np.stack(rows) if rows else np.zeros((0, 0), np.float32),
            read,
            {i: self._sizes[names[i]] for i in read},
            {i: self.errors[n] for i, n in enumerate(names) if i not in read},
            self.reading,
        )

    def forget(self, paths: Sequence[str]) -> None:
        """Let go of images."""
        for known in (self._rows, self._sizes, self.errors):
            for path in paths:
                known.pop(path, None)

    def _compute(self, names: list[str]) -> None:
        found = self._extractor(names)
        if self._rows and found.reading != self.reading:
            # deep images, whose range is measured over all of them
            names = [*self._rows, *names]
            found = self._extractor(names)
        self.reading = found.reading
        for row, index in zip(found.rows, found.indices, strict=True):
            self._rows[names[index]] = row
            self._sizes[names[index]] = found.sizes[index]
        for index, error in found.errors.items():
            self.errors[names[index]] = error
