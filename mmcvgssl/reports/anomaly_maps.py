"""Folders of anomaly maps, with a score of each image."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmcvgssl.maps import MapFolder, dataset_threshold, lay_map
from mmcvgssl.reports.anomaly import SIDE, panels, said_of_panels
from mmcvgssl.reports.pictures import Source
from mmcvgssl.reports.results import Result
from mmcvgssl.reports.scores import Scored
from mmcvgssl.reports.truth import ANOMALY, TrueImage, Truth
from mmcvgssl.visualization.side_by_side import side_by_side

_GREY = 150


def scored_by_maps(
    result: Result, images: Path | None, truth: Truth | None
) -> Scored:
    """Return scores of maps; without the images, maps alone are shown.

    Args:
        result: Folder of the maps.
        images: Folder of the images.
        truth: What is true of them.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If one is something else; names it.
    """
    maps = MapFolder(result.folder)
    paths = [entry.path for entry in maps]
    source = Source('', images, maps.reading)
    notes: list[str] = []
    known: list[TrueImage | None] = [None] * len(paths)
    if truth is not None:
        files = [str(source.locate(path)) for path in paths]
        known = truth.fit(ANOMALY, files, notes)
    maxima = [entry.map_max for entry in maps]
    # as boxes are cut, so that pictures of a folder can be compared
    middle, highest = dataset_threshold(maxima), max(maxima)
    notes += maps.remarks
    if images is None:
        notes.append(
            'Where the images lie is not recorded, so maps are shown alone: '
            'give --images DIR.'
        )
    notes.append(
        f'{said_of_panels(known)}; the colours are the same for all maps, '
        f'and their middle is {middle:.4g}.'
    )

    def draw(index: int) -> np.ndarray:
        path = paths[index]
        values = maps.load_map(path)
        if images is None:
            size = maps[path].size
            scale = min(1.0, SIDE / max(size))
            height, width = (max(1, round(n * scale)) for n in size)
            image = np.full((height, width, 3), _GREY, np.uint8)
            return side_by_side([lay_map(image, values, middle, highest)])
        image = source.read(path, SIDE)
        heat = lay_map(image, values, middle, highest)
        return panels(image, heat, known[index])

    scores = np.array([entry.score for entry in maps])
    return Scored(
        *(result.name, source, paths, paths, scores, known, None, draw, notes)
    )
