"""Exported models, which run without torch, and without the hosts.

Needs NumPy, OpenCV, Pillow, tifffile and what runs the file: onnxruntime or
openvino. :mod:`mmcvgssl.apis.exported_predictor` makes predictions of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmcvgssl.datasets.reading import read_settled
from mmcvgssl.datasets.tiles import TileGrid
from mmcvgssl.export.dense_boxes import find_boxes, rules_from
from mmcvgssl.export.engines import Engine, open_engine
from mmcvgssl.export.metadata import ExportedFileError, Metadata
from mmcvgssl.export.placement import placement_of
from mmcvgssl.export.preparation import differences, grid_of, prepare
from mmcvgssl.maps import JoinedMap
from mmcvgssl.maps.joined_boxes import JOINED_IOU, join_tables
from mmcvgssl.utils import printable

_IN_FLIGHT = 16  # tiles that pass the model at once
# what an image's own outputs become
Find = Callable[[Mapping[str, np.ndarray]], dict[str, Any]]


class ExportedModel:
    """An exported model that takes images.

    Args:
        model: A file of ``mmcvgssl export``, or a loaded engine.
        threads: Threads that compute; 0: as the library chooses.

    Raises:
        FileNotFoundError: If there is no such file.
        ExportedFileError: If it is something else, of another version, or
            its bytes have changed.
        ModuleNotFoundError: If what runs it is not installed.

    Example:
        >>> from mmcvgssl.export.exported_model import ExportedModel
        >>> try:
        ...     ExportedModel('model.safetensors')
        ... except ExportedFileError as error:
        ...     print(str(error).partition(',')[0])
        expected an exported model
    """

    def __init__(self, model: str | Path | Engine, threads: int = 0) -> None:
        self.engine: Engine
        if isinstance(model, (str, Path)):
            self.source = printable(str(model))
            self.engine = open_engine(model, threads)
        else:
            self.source, self.engine = 'the exported model', model
        self.metadata: Metadata = self.engine.metadata
        if self.metadata.kind not in _KINDS:
            raise ExportedFileError(
                f'{self.source} is of kind {self.metadata.kind!r:.40}, and '
                f'this mmcvgssl predicts by {", ".join(_KINDS)}; install '
                'the version that wrote it'
            )
        self.warning = differences(self.metadata)

    def read(self, path: str) -> tuple[np.ndarray, tuple[int, int]]:
        """Read an image as the model takes it.

        Args:
            path: The file.

        Returns:
            RGB uint8 [height, width, 3], of tiles [T, height, width, 3], and
            height and width of the file.

        Raises:
            UnreadableImageError: If it cannot be decoded in full.
        """
        picture, size = read_settled(path, **self.metadata.reading)
        return prepare(picture, self.metadata.steps), size

    def run(self, images: np.ndarray) -> Mapping[str, np.ndarray]:
        """Return the outputs by name, see the metadata.

        Args:
            images: RGB uint8 [N, height, width, 3].

        Raises:
            ValueError: If they are of another form.
        """
        size = self.metadata.input['height'], self.metadata.input['width']
        form = images.dtype == np.uint8 and images.ndim == 4
        if not form or images.shape[1:] != (*size, 3) or not len(images):
            raise ValueError(
                f'expected images RGB uint8 [N, {size[0]}, {size[1]}, 3], '
                f'got {images.dtype} {list(images.shape)}: see steps of the '
                'metadata'
            )
        return self.engine.run(images)

    def find(
        self,
        images: Sequence[np.ndarray],
        sizes: Sequence[tuple[int, int]],
        least: float = 0.0,
    ) -> list[dict[str, Any]]:
        """Return what is found in each of some images.

        Args:
            images: RGB uint8 [height, width, 3] each, or
                [T, height, width, 3] of T tiles.
            sizes: Height and width of the pictures that they were made of.
            least: Lowest score of boxes.

        Returns:
            ``score`` and ``map`` of anomaly models, ``label`` and
            ``probabilities`` of classifiers; ``boxes``, ``scores`` and
            ``labels`` of detectors.
        """
        steps = self.metadata.steps
        grids = [grid_of(size, steps) for size in sizes]
        if any(grids):
            join = self._join
            if self.metadata.kind == 'detector':
                join = self._join_boxes
            return [
                join(image, grid)
                for image, grid in zip(images, grids, strict=True)
                if grid is not None
            ]
        if self.metadata.kind == 'detector':
            return self._find_boxes(np.stack(images), sizes, least)
        outputs = self.run(np.stack(images))
        rows = [
            {name: values[i] for name, values in outputs.items()}
            for i in range(len(images))
        ]
        return [_FOUND[self.metadata.kind](own) for own in rows]

    def _find_boxes(
        self,
        images: np.ndarray,
        sizes: Sequence[tuple[int, int]],
        least: float = 0.0,
    ) -> list[dict[str, Any]]:
        """Return the boxes of images, or of tiles, in their pixels."""
        outputs = self.run(images)
        rules = rules_from(self.metadata.boxes)
        rows = zip(outputs['boxes'], outputs['scores'], sizes, strict=True)
        return [
            find_boxes(
                *(boxes, scores, rules),
                *(placement_of(size, self.metadata.steps), least),
            )
            for boxes, scores, size in rows
        ]

    def _join_boxes(self, tiles: np.ndarray, grid: TileGrid) -> dict[str, Any]:
        """Join the boxes of an image's tiles."""
        found = []
        for first in range(0, len(tiles), _IN_FLIGHT):
            some = tiles[first : first + _IN_FLIGHT]
            found += self._find_boxes(some, [grid.tile] * len(some))
        overlap = self.metadata.boxes['iou_threshold']
        return join_tables(
            found, grid, JOINED_IOU if overlap is None else overlap
        )

    def _join(self, tiles: np.ndarray, grid: TileGrid) -> dict[str, Any]:
        """Join the maps of an image's tiles; the worst tile is its score."""
        joined, scores = JoinedMap(grid), []
        for first in range(0, len(tiles), _IN_FLIGHT):
            outputs = self.run(tiles[first : first + _IN_FLIGHT])
            joined.add(outputs['maps'])
            scores.append(outputs['scores'].max())
        return {'score': max(scores), 'map': joined.result()}


def _anomaly(own: Mapping[str, np.ndarray]) -> dict[str, Any]:
    return {'score': own['scores'], 'map': own['maps']}


def _classes(own: Mapping[str, np.ndarray]) -> dict[str, Any]:
    return {'probabilities': own['probabilities'], 'label': own['labels']}


_FOUND: Mapping[str, Find] = {'anomaly': _anomaly, 'classifier': _classes}
_KINDS = (*_FOUND, 'detector')
