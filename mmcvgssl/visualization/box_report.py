"""Reports about boxes cut from maps."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from mmcvgssl.evaluation.box_recall import BoxRecall
from mmcvgssl.maps.box_files import GroundTruth, ImageBoxes

# a box over more of its image does not say where the defect is
_WHOLE = 0.95


def summarise(images: Sequence[ImageBoxes], least: float) -> dict[str, Any]:
    """Count boxes by image, area and score, which is ``least`` or more."""
    counts = np.array([len(image.boxes) for image in images])
    areas = np.concatenate([_areas(image.boxes) for image in images])
    pixels = np.repeat([i.size[0] * i.size[1] for i in images], counts)
    scores = np.concatenate([image.scores for image in images])
    # sides double from bin to bin
    n_bins = int(np.log2(max(areas.max(initial=1), 1)) // 2) + 1
    area_edges = 4.0 ** np.arange(n_bins + 1)
    highest = max(float(scores.max(initial=least)), least + 1e-6)
    score_edges = np.linspace(least, highest, 21)
    return {
        'images': len(images),
        'boxes': int(counts.sum()),
        'boxes_per_image': {
            'mean': float(counts.mean()),
            'images_with': np.bincount(counts).tolist(),
        },
        'share_without_box': float((counts == 0).mean()),
        'share_of_boxes_over_whole_image': (
            float((areas > _WHOLE * pixels).mean()) if len(areas) else 0.0
        ),
        'area_histogram': _histogram(areas, area_edges),
        'score_histogram': _histogram(scores, score_edges),
    }


def compare(
    images: Sequence[ImageBoxes], truth: GroundTruth, ious: Sequence[float]
) -> dict[str, Any]:
    """Measure recall and precision on the images the truth knows."""
    recall = BoxRecall(truth.classes, ious)
    unboxed = len({*truth.unboxed} & {image.path for image in images})
    for image in images:
        if image.path in truth.images:
            boxes, labels = truth.images[image.path]
            recall.add(image.boxes, image.scores, boxes, labels)
    return {
        **recall.result(),
        'images_without_truth': len(images) - recall.n_images - unboxed,
        'images_of_crowds_alone': unboxed,
        'truth_without_image': len(truth.images) - recall.n_images,
    }


def notes(report: dict[str, Any]) -> list[str]:
    """Return advice for the user."""
    found = []
    mend = 'set --margin, in units of the maps, or --map-threshold'
    nested = report['least_score'] is not None
    if not report['boxes'] and nested:
        found.append(
            'no region stands out from its surroundings and is large enough '
            'for a box; raise --boxes-per-image or lower --min-area'
        )
    if not report['boxes'] and not nested:
        found.append(
            'no blob above the map threshold is large enough for a box; '
            + mend
        )
    if report['share_of_boxes_over_whole_image'] > 0.5:
        found.append(
            'most boxes cover a whole image: the map threshold is low for '
            'these maps; ' + mend
        )
    if report['maps_alike']:
        found.append(
            'all maps are alike: they do not distinguish these images, and '
            'their boxes mean nothing; check the images and the weights of '
            'the model'
        )
    for path, reason in report['left_out'].items():
        found.append(f'{path} is left out: {reason}')
    for path, reason in report['without_preview'].items():
        found.append(f'{path} has boxes, but cannot be drawn: {reason}')
    # the generator's warnings about its fitting images
    return found + report['remarks']


def to_text(report: dict[str, Any]) -> str:
    """Return a report for people."""
    n, per_image = report['images'], report['boxes_per_image']
    by_count = ', '.join(
        f'{k}: {many}' for k, many in enumerate(per_image['images_with'])
    )
    histogram = report['area_histogram']
    sides = np.sqrt(histogram['edges'])
    by_side = ', '.join(
        f'{low:g}-{high:g}: {count}'
        for low, high, count in zip(
            sides[:-1], sides[1:], histogram['counts'], strict=True
        )
        if count
    )
    rows = [
        ('images', f'{n}'),
        ('images without a map', f'{report["images_without_map"]}'),
        ('images left out', f'{len(report["left_out"])}'),
        ('maps not listed', f'{report["maps_not_listed"]}'),
        ('map threshold', f'{report["map_threshold"]:.6g}')
        if report['least_score'] is None
        else ('least score of a box', f'{report["least_score"]:.6g}'),
        ('boxes', f'{report["boxes"]}, {per_image["mean"]:.2f} an image'),
        ('images without a box', f'{100 * report["share_without_box"]:.1f} %'),
        ('images by boxes', by_count),
        ('boxes by root of area, pixels', by_side or 'none'),
    ]
    if 'split' in report:
        of = report['split']
        rows.append(('images for training', f'{of["train"]}'))
        rows.append(('images for validation', f'{of["val"]}'))
    lines = ['| | |', '|---|---|', *(f'| {k} | {v} |' for k, v in rows)]
    if 'ground_truth' in report:
        lines += ['', *_recall_table(report['ground_truth'])]
    lines += [f'note: {note}' for note in report['notes']]
    return '\n'.join(lines)


def plot(report: dict[str, Any]) -> bytes:
    """Draw the histograms of area and score; return a PNG file."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.5), layout='constrained')
    areas, scores = figure.subplots(1, 2)
    for axes, name, label in (
        (areas, 'area_histogram', 'area of a box, pixels'),
        (scores, 'score_histogram', 'score, in units of the maps'),
    ):
        axes.stairs(*_bars(report[name]), fill=True)
        axes.set_xlabel(label)
        axes.set_ylabel('boxes')
        axes.grid(alpha=0.3)
    areas.set_xscale('log', base=4)
    if report['least_score'] is None:
        at, name = report['map_threshold'], 'map threshold'
    else:
        at, name = report['least_score'], 'least score of a box'
    scores.axvline(at, color='C1', label=name)
    scores.legend(fontsize='small')
    with io.BytesIO() as buffer:
        figure.savefig(buffer, dpi=150, format='png')
        return buffer.getvalue()


def _areas(boxes: np.ndarray) -> np.ndarray:
    wide = boxes.astype(np.float64)
    return (wide[:, 2] - wide[:, 0]) * (wide[:, 3] - wide[:, 1])


def _histogram(values: np.ndarray, edges: np.ndarray) -> dict[str, list]:
    counts, _ = np.histogram(values, edges)
    return {'edges': edges.tolist(), 'counts': counts.tolist()}


def _bars(histogram: dict[str, list]) -> tuple[list, list]:
    return histogram['counts'], histogram['edges']


def _recall_table(found: dict[str, Any]) -> list[str]:
    def percent(ratio: float | None) -> str:
        return '' if ratio is None else f'{100 * ratio:.1f}'

    at = found['iou']
    lines = [
        f'Against {found["true"]} true boxes in {found["images"]} images, '
        f'%, at IoU {" and ".join(at)}:',
        '',
        '| | true boxes |' + ''.join(f' IoU {iou} |' for iou in at),
        '|---|' + '---|' * (len(at) + 1),
    ]
    table = [
        (what, found['true'], [percent(entry[what]) for entry in at.values()])
        for what in ('recall', 'precision')
    ]
    classes = next(iter(at.values()))['classes']
    table += [
        (
            f'recall of {name}',
            row['true'],
            [
                percent(entry['classes'][name]['recall'])
                for entry in at.values()
            ],
        )
        for name, row in classes.items()
    ]
    for what, count, cells in table:
        lines.append(f'| {what} | {count} | {" | ".join(cells)} |')
    for key, text in (
        ('images_without_truth', 'images are unknown to the ground truth'),
        (
            'images_of_crowds_alone',
            'images have labels, but only crowds or boxes without an area',
        ),
        ('truth_without_image', 'images of the ground truth have no map here'),
    ):
        if found[key]:
            lines.append(f'note: {found[key]} {text}, and are not counted')
    return lines
