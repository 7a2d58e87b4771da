"""The most and the least suspicious images, with their heatmaps."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmcvgssl.datasets.reading import read_image
from mmcvgssl.reports.predicted import Predicted, read_predicted
from mmcvgssl.reports.results import PREDICTIONS, Result
from mmcvgssl.visualization.contact_sheet import lay_out
from mmcvgssl.visualization.fitted import fitted

_GAP = 4  # pixels between pictures


def extremes(
    folder: str | Path, count: int = 8, side: int = 150
) -> tuple[np.ndarray, list[str]]:
    """Lay out the images of the highest and of the lowest scores.

    Args:
        folder: What ``mmcvgssl predict`` wrote of an anomaly model, with its
            overlays.
        count: Images of either end, at most.
        side: Longest side of a picture, pixels.

    Returns:
        BGR uint8 [H, W, 3]: a row of the most suspicious images, one of their
        heatmaps, and the same of the least suspicious ones, each beginning
        with the most extreme; and the paths of these images, in this order,
        below the folder that they were predicted in.

    Raises:
        FileNotFoundError: If a heatmap is missing.
        OSError: If the table cannot be read.
        UnreadableImageError: If an image is missing.
        ValueError: If the table is something else, or has no scores.
    """
    found = read_predicted(Result(PREDICTIONS, Path(folder)), None)
    rows = [row for row in found.rows if 'score' in row]
    if not rows:
        raise ValueError(
            f'{folder}: expected predictions of an anomaly model, got '
            f'{len(found.rows)} of a {found.kind}: predict with a model of '
            'mmcvgssl fit'
        )
    rows.sort(key=lambda row: -row['score'])
    count = min(count, (len(rows) + 1) // 2)
    ends = [row['path'] for row in [*rows[:count], *rows[::-1][:count]]]
    pictures = []
    for part in (ends[:count], ends[count:]):
        pictures += [found.source.read(path, side) for path in part]
        pictures += [fitted(_heatmap(found, path), side) for path in part]
    return lay_out(pictures, side, count, _GAP), [*map(found.name_of, ends)]


def _heatmap(found: Predicted, path: str) -> np.ndarray:
    file = found.overlay(path)
    if file is None:
        raise FileNotFoundError(
            f'{found.result.folder}: no heatmap of {path}; predict without '
            '--no-overlay'
        )
    return read_image(str(file))
