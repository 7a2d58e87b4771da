"""Embeddings of images in two dimensions, with pictures on hover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmcvgssl.apis.features import FeatureExtractor
from mmcvgssl.datasets.reading import UnreadableImageError
from mmcvgssl.reports.figures import COLOURS, figure, plain, rounded
from mmcvgssl.reports.pictures import Pictures, Source
from mmcvgssl.reports.section import Plot, Section
from mmcvgssl.utils import evenly
from mmcvgssl.visualization.embedding import LEAST, embed

_SIDE = 96  # pixels of a picture


@dataclass
class Shown:
    """Images that embeddings are shown of.

    Args:
        name: Name of the predictions.
        source: Where they lie.
        paths: Their paths.
        classes: A name of each: the truth, or else what was predicted.
        by: What these are.
        scores: A number of each.
        of: What these are.
    """

    name: str
    source: Source
    paths: Sequence[str]
    classes: Sequence[str]
    by: str
    scores: Sequence[float]
    of: str


def section_of_embeddings(
    shown: Shown,
    features: str | Path,
    pictures: Pictures,
    points: int = 500,
    device: str | None = None,
    workers: int | None = None,
) -> Section:
    """Return embeddings in two dimensions, by class and by score.

    Args:
        shown: Images.
        features: What computes the embeddings, see
            :class:`~mmcvgssl.apis.FeatureExtractor`.
        pictures: Pictures of the page.
        points: Most images, evenly over all.
        device: Device of the network.
        workers: Processes that read images.

    Raises:
        FileNotFoundError: If there is no such model.
        ValueError: If it gives no features.
    """
    section = Section(f'Embeddings: {shown.name}')
    chosen = evenly(len(shown.paths), points)
    files = [shown.source.locate(shown.paths[i]) for i in chosen]
    there = [k for k, file in enumerate(files) if file.is_file()]
    rows = np.zeros((0, 1), np.float32)
    if there:
        extractor = FeatureExtractor(features, device=device, workers=workers)
        found = extractor([files[k] for k in there])
        rows = found.rows
        chosen = [chosen[there[k]] for k in found.indices]
    section.notes = [
        f'{len(rows)} of {len(shown.paths)} images, by features of '
        f'{features} and t-SNE, which keeps neighbours together; distances '
        'far apart mean nothing.'
    ]
    if len(rows) < LEAST:
        section.notes.append(
            f't-SNE needs {LEAST} images that can be read: name the folder '
            'that they are in now, by --images.'
        )
        return section
    plot = _plot(shown, chosen, embed(rows))
    plot.thumbs = [_thumb(shown, i, pictures) for i in chosen]
    left_out = sum(not thumb for thumb in plot.thumbs)
    if left_out:
        section.notes.append(
            f'{left_out} points have no picture: the pictures of this page '
            'are too many.'
        )
    section.parts = [plot]
    return section


def _thumb(shown: Shown, index: int, pictures: Pictures) -> str:
    if pictures.full:
        return ''
    try:
        return pictures.add(shown.source.read(shown.paths[index], _SIDE))
    except UnreadableImageError:  # it could be read a moment ago
        return ''


def _plot(shown: Shown, chosen: Sequence[int], points: np.ndarray) -> Plot:
    names = [shown.classes[i] for i in chosen]
    scores = rounded([float(shown.scores[i]) for i in chosen])
    kinds = list(dict.fromkeys(sorted(names)))
    by_class = []
    for number, kind in enumerate(kinds):
        own = [k for k, name in enumerate(names) if name == kind]
        colour = COLOURS[number % len(COLOURS)]
        label = f'{plain(kind)} ({len(own)})'
        by_class.append(
            _trace(shown, chosen, points, own, label, {'color': colour})
        )
    every = list(range(len(chosen)))
    scale = {
        'color': scores,
        'colorscale': 'Viridis',
        'showscale': True,
        'colorbar': {'title': {'text': shown.of}, 'thickness': 12},
    }
    by_score = [_trace(shown, chosen, points, every, shown.of, scale)]
    hidden = {'showticklabels': False, 'showgrid': False}
    figures = {}
    for name, traces in ((shown.by, by_class), (shown.of, by_score)):
        made = figure(traces, showlegend=len(traces) > 1)
        made.update_xaxes(**hidden)
        made.update_yaxes(**hidden, scaleanchor='x')
        figures[f'coloured by {name}'] = made
    return Plot(figures, height=560)


def _trace(
    shown: Shown,
    chosen: Sequence[int],
    points: np.ndarray,
    own: Sequence[int],
    name: str,
    marker: dict,
) -> dict:
    return {
        'type': 'scatter',
        'mode': 'markers',
        'name': name,
        'x': rounded(points[own, 0].tolist(), 4),
        'y': rounded(points[own, 1].tolist(), 4),
        'marker': {'size': 8, 'opacity': 0.8, **marker},
        'customdata': list(own),
        'text': [
            f'{plain(Path(shown.paths[chosen[k]]).name)}<br>'
            f'{plain(shown.classes[chosen[k]])}, '
            f'{shown.of} {shown.scores[chosen[k]]:.4g}'
            for k in own
        ],
        'hoverinfo': 'text',
    }
