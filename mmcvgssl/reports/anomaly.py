"""Images that an anomaly model has scored, with heatmap and truth."""

from __future__ import annotations

import numpy as np

from mmcvgssl.datasets.reading import read_image, read_mask
from mmcvgssl.maps.picture import draw_heatmap
from mmcvgssl.reports.predicted import Predicted
from mmcvgssl.reports.scores import Scored
from mmcvgssl.reports.truth import TrueImage
from mmcvgssl.visualization.fitted import fitted
from mmcvgssl.visualization.side_by_side import outlined, side_by_side

SIDE = 180  # pixels of a picture, of which up to three stand side by side


def scored_by_prediction(found: Predicted) -> Scored:
    """Return scores and heatmaps of predicted images."""
    threshold = found.head.get('threshold')
    return Scored(
        found.result.name,
        found.source,
        found.paths,
        [found.name_of(path) for path in found.paths],
        np.array([row['score'] for row in found.rows], float),
        found.truth,
        None if threshold is None else float(threshold),
        lambda i: _draw(found, i),
        _notes(found),
    )


def _notes(found: Predicted) -> list[str]:
    if not found.head.get('overlays') and found.maps is None:
        return [
            'There are neither overlays nor maps, so images are shown '
            'without heatmaps: predict without --no-overlay, or with --map.'
        ]
    shown, middle = (
        said_of_panels(found.truth),
        found.head.get('map_threshold'),
    )
    colours = 'the colours of each span the values of its own map'
    if middle is not None:
        colours = f'the middle of the colours is {middle:.4g}, the threshold '
        colours += 'of maps'
    return [f'{shown}; {colours}.']


def said_of_panels(truth: list[TrueImage | None]) -> str:
    """Say what stands side by side."""
    shown = 'Each picture shows image and heatmap'
    if any(true is not None and true.mask for true in truth):
        shown += ', then the truth outlined in green'
    return shown


def _draw(found: Predicted, index: int) -> np.ndarray:
    path = found.paths[index]
    image = found.source.read(path, SIDE)
    return panels(image, _heatmap(found, path, image), found.truth[index])


def panels(
    image: np.ndarray, heatmap: np.ndarray | None, true: TrueImage | None
) -> np.ndarray:
    """Lay image, heatmap and outlined truth side by side.

    Args:
        image: BGR uint8 [h, w, 3].
        heatmap: Likewise, if there is one.
        true: What is true of the image.

    Returns:
        BGR uint8 [H, W, 3].
    """
    shown = [image] if heatmap is None else [image, heatmap]
    if true is not None and true.mask:
        shown.append(outlined(image, read_mask(true.mask)))
    return side_by_side(shown)


def _heatmap(
    found: Predicted, path: str, image: np.ndarray
) -> np.ndarray | None:
    drawn = found.overlay(path)
    if drawn is not None:
        return fitted(read_image(str(drawn)), SIDE)
    name = found.name_of(path)
    if found.maps is None or name not in found.maps:
        return None
    return draw_heatmap(
        image,
        anomaly_map=found.maps.load_map(name),
        map_threshold=found.head.get('map_threshold'),
    )
