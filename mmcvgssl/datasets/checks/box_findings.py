"""Boxes of a COCO file: what is wrong, odd, or not learned from."""

from __future__ import annotations

from collections import defaultdict
from importlib.util import find_spec
from itertools import combinations
from typing import Any

from mmcvgssl.datasets.checks.data_part import DataPart
from mmcvgssl.datasets.checks.finding import (
    ERROR,
    NOTE,
    WARNING,
    Example,
    Finding,
)
from mmcvgssl.datasets.coco_boxes import Box, overlap, plain_box
from mmcvgssl.datasets.coco_findings import CocoFindings
from mmcvgssl.datasets.coco_images import UNREADABLE
from mmcvgssl.utils import printable

TINY = 4  # pixels of a side; less than the stride of any detector here
_TWICE = 0.9  # overlap from which two boxes of a class are one
_ELSEWHERE = (UNREADABLE, 'missing images')  # found with the images
# problems that a file can have and still be opened by the hosts
_OPENED = {
    *(*_ELSEWHERE, 'images of another size', 'images that stand twice'),
    *('boxes outside their image', 'boxes thinner than a pixel'),
    *('boxes without an area', 'boxes without an image'),
    *('boxes that are crowds, or to be ignored', 'no boxes at all'),
    'classes whose boxes are all crowds, or to be ignored',
    *('rotated boxes', 'boxes that are [left, top, right, bottom]'),
    'boxes that are shares of the image',
}


def box_findings(part: DataPart) -> list[Finding]:
    """Report what is wrong with boxes, and which ones detectors drop."""
    coco = part.boxes
    if coco is None:
        return []
    found = []
    for severity, kinds in ((ERROR, coco.problems), (WARNING, coco.notes)):
        for kind, own in kinds.items():
            if kind not in _ELSEWHERE:
                found.append(
                    Finding.of('boxes', severity, f'{part.name}: {kind}', own)
                )
    if coco.fixes():
        advice = f'--fixes {" ".join(coco.fixes())}'
        found.append(
            Finding(
                'boxes',
                NOTE,
                f'mmcvgssl prepare repair {coco.file} {advice} writes a '
                'corrected file',
            )
        )
    found += _small_and_double(part.name, coco, part)
    counts = {name: n for name, n in coco.boxes.items() if n}
    if counts and max(counts.values()) >= 10 * min(counts.values()):
        lines = [f'{name}: {n}' for name, n in coco.boxes.items()]
        found.append(
            Finding.of(
                'box-imbalance',
                NOTE,
                f'{part.name}: classes with 10 times the boxes of others',
                lines,
            )
        )
    return found + _dropped(part, coco)


def _small_and_double(
    name: str, coco: CocoFindings, part: DataPart
) -> list[Finding]:
    boxes: dict[Any, list[tuple[Any, Any, Box]]] = defaultdict(list)
    for entry in coco.content['annotations']:
        if isinstance(entry, dict):
            box = plain_box(entry.get('bbox'))
            if box is not None and min(box[2:]) >= 1:
                whose = boxes[_key(entry.get('image_id'))]
                whose.append((entry.get('id'), entry.get('category_id'), box))
    tiny, double = [], []
    files = {image.path: image.file for image in part.images}
    for image in coco.content['images']:
        if not isinstance(image, dict):
            continue
        path = str(image.get('file_name'))
        own = boxes[_key(image.get('id'))]
        file = (files[path],) if path in files else ()
        for key, _, box in own:
            if min(box[2:]) < TINY:
                line = f'annotation {key}: {_shown(box)} in {path}'
                tiny.append(Example(printable(line), file))
        for (key, kind, box), (second, same, other) in combinations(own, 2):
            if kind == same and box != other and overlap(box, other) >= _TWICE:
                line = f'annotations {key} and {second} in {path}'
                double.append(Example(printable(line), file))
    found = []
    if tiny:
        found.append(
            Finding(
                'tiny-boxes',
                WARNING,
                f'{name}: boxes with a side below {TINY} pixels, which are '
                'smaller than what a detector looks at',
                tiny,
                'train on tiles or larger images, or leave them out',
            )
        )
    if double:
        found.append(
            Finding(
                'double-boxes',
                WARNING,
                f'{name}: boxes of one class that overlap by {_TWICE:.0%} or '
                'more',
                double,
                'leave one of them out',
            )
        )
    return found


def _dropped(part: DataPart, coco: CocoFindings) -> list[Finding]:
    """Say which images and boxes each host learns nothing from."""
    if find_spec('mmdet') is None:
        text = 'not compared with detectors: mmdet is not installed'
        return [Finding('dropped', NOTE, f'{part.name}: {text}')]
    unsound = [kind for kind in coco.problems if kind not in _OPENED]
    if unsound:
        text = f'not compared with detectors before {unsound[0]} are mended'
        return [Finding('dropped', NOTE, f'{part.name}: {text}')]
    from mmcvgssl.datasets.coco_seen import seen_by_hosts

    root = part.boxes_root or coco.file.parent
    seen = seen_by_hosts(coco, root, list(coco.boxes), part.tested_on)
    if not any(contents.left_out for contents in seen.values()):
        text = 'all images and boxes are used by the recipes of every host'
        return [Finding('dropped', NOTE, f'{part.name}: {text}')]
    found = []
    for host, contents in seen.items():
        counts = ', '.join(f'{n} {what}' for what, n in contents.used.items())
        lines = [
            f'{reason}: {len(names)}, such as {printable(names[0])}'
            for reason, names in contents.left_out.items()
        ]
        found.append(
            Finding.of(
                'dropped',
                WARNING if lines else NOTE,
                f'{part.name}: {host} recipes use {counts}'
                f'{", and leave out" if lines else ""}',
                lines,
            )
        )
    return found


def _key(value: object) -> Any:
    return value if isinstance(value, (int, str)) else None


def _shown(box: Box) -> str:
    return f'{box[2]:g} x {box[3]:g} pixels'
