"""Checks of the boxes of a COCO file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isclose
from statistics import median
from typing import Any

from mmcvgssl.datasets.coco_file import is_id, number, shown
from mmcvgssl.utils import printable

_SLACK = 1.0  # pixels by which a rounded box may exceed its image
_TURNED = 1.0  # degrees from which a box counts as rotated
_XYWH = 1  # detectron2's box mode that is COCO's form
_ALIKE = 0.5  # overlap from which a box fits its outline
_MANY = 8  # from so many boxes, their coordinates alone show the form

Box = tuple[float, float, float, float]
Size = tuple[float, float]


def image_size(image: Mapping[str, Any] | None) -> Size | None:
    """Return width and height as a file has them, None if it has none."""
    if image is None:
        return None
    width, height = number(image.get('width')), number(image.get('height'))
    if not width or not height or min(width, height) < 1:
        return None
    if width % 1 or height % 1:
        return None
    return width, height


def plain_box(value: object) -> Box | None:
    """Return x, y, width and height if they are four finite numbers."""
    if not isinstance(value, list) or len(value) != 4:
        return None
    numbers = [found for found in map(number, value) if found is not None]
    if len(numbers) < 4:
        return None
    x, y, w, h = numbers
    return x, y, w, h


def box_problems(
    entry: Mapping[str, Any],
    images: Mapping[Any, Mapping[str, Any]],
    names: Mapping[Any, str],
    classes: Sequence[str] | None,
) -> Iterator[tuple[str, str]]:
    """Yield the problems of one annotation.

    Args:
        entry: The annotation, with all keys that COCO asks for.
        images: Entries of images by id.
        names: Names of categories by id.
        classes: Names that a config lists; None: those of the file.

    Yields:
        A kind of problem, and a line about this one.
    """
    category = entry['category_id']
    if not is_id(category) or category not in names:
        yield 'unknown categories', f'category {shown(category)}'
    elif classes is not None and names[category] not in classes:
        yield (
            'categories that the config does not list',
            f'{names[category]!r}; it lists {", ".join(map(repr, classes))}',
        )
    key = entry['image_id']
    image = images.get(key) if is_id(key) else None
    if image is None:
        line = f'image {shown(key)}'
        if not is_id(key):
            line += '; ids are whole numbers'
        yield 'boxes without an image', line
    for flag in ('iscrowd', 'ignore'):
        if not _is_flag(entry.get(flag)):
            yield (
                f'{flag} that is neither 0 nor 1',
                f'{shown(entry[flag])}, which detectors take for 1',
            )
    yield from _form_problems(entry)
    area = number(entry.get('area'))
    if 'area' not in entry:
        yield 'boxes without the key area', 'width times height will do'
    elif area is None:
        yield 'areas that are no numbers', shown(entry['area'])
    elif area <= 0:
        yield 'boxes without an area', f'area {shown(entry["area"])}'
    box, size = plain_box(entry['bbox']), image_size(image)
    if box is None:
        line = shown(entry['bbox'])
        yield 'boxes that are not [x, y, width, height]', line
        return
    line = shown(entry['bbox'])
    if min(box[2:]) <= 0:
        yield 'boxes without an area', line
    elif min(box[2:]) < 1:
        yield 'boxes thinner than a pixel', line
    elif image is not None and size is not None and _sticks_out(box, size):
        yield (
            'boxes outside their image',
            f'{line} in {size[0]:.0f} x {size[1]:.0f} pixels of '
            f'{printable(str(image["file_name"]))}',
        )


def box_notes(
    entry: Mapping[str, Any], images: Mapping[Any, Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    """Yield the parts of a sound annotation that detectors do not read."""
    image = images.get(entry['image_id'])
    segmentation, size = entry.get('segmentation'), image_size(image)
    if isinstance(segmentation, dict) and size is not None:
        stated = segmentation.get('size')
        if stated != [size[1], size[0]]:
            yield (
                'masks of another size than their image',
                f'height and width {shown(stated)} in {size[0]:.0f} x '
                f'{size[1]:.0f} pixels: do the boxes lie where they should?',
            )
    box, around = plain_box(entry['bbox']), _bounds(segmentation)
    if box and around and overlap(box, around) < _ALIKE:
        yield (
            'boxes that are not around their outlines',
            f'{shown(entry["bbox"])}, outline within {list(around)}',
        )
    if entry.get('keypoints'):
        yield 'keypoints, which no detector here reads', 'its box is used'


def form_of(
    boxes: Sequence[tuple[Box, Size, float | None]],
) -> tuple[bool, str, str] | None:
    """Recognise boxes in another form than COCO's by all of them.

    Args:
        boxes: Each with width and height of its image, and the area stated.

    Returns:
        Whether it is certain, a kind and a line; None for COCO's form.
    """
    if not boxes:
        return None
    n = len(boxes)
    if all(max(map(abs, box)) <= 1 for box, _, _ in boxes):
        return (
            True,
            'boxes that are shares of the image',
            f'no number of {n} boxes is above 1: COCO counts in pixels, '
            'multiply by width and height',
        )
    corners = sum(
        box[2] > box[0] and box[3] > box[1] and not _beyond(box, size)
        for box, size, _ in boxes
    )
    out = sum(_sticks_out(box, size) for box, size, _ in boxes)
    line = 'COCO has [x, y, width, height]: take x and y off the last two'
    # some that stick out are no corners where the areas are those of COCO
    plain = sum(
        stated is not None and isclose(stated, box[2] * box[3], rel_tol=0.01)
        for box, _, stated in boxes
    )
    if corners >= 0.95 * n and out >= max(1, n / (2 if 2 * plain > n else 10)):
        return (
            True,
            'boxes that are [left, top, right, bottom]',
            f'{out} of {n} stick out of their image, and as corners '
            f'{corners} of {n} lie within: {line}',
        )
    areas = sum(
        stated is not None
        and isclose(
            stated, (box[2] - box[0]) * (box[3] - box[1]), rel_tol=0.01
        )
        and not isclose(stated, box[2] * box[3], rel_tol=0.01)
        for box, _, stated in boxes
    )
    if corners >= 0.95 * n and areas >= 0.95 * n:
        return (
            True,
            'boxes that are [left, top, right, bottom]',
            f'the areas of {areas} of {n} are those between corners: {line}',
        )
    # a defect is rarely wider than its distance from the border, all never
    if (
        corners == n >= _MANY
        and min(
            median(box[i] / size[i] for box, size, _ in boxes) for i in (0, 1)
        )
        > 0.1
    ):
        return (
            False,
            'boxes that may be [left, top, right, bottom]',
            f'all {n} are wider and taller than their distance from the left '
            f'and the top; {line} if they are',
        )
    return None


def _bounds(polygons: object) -> Box | None:
    """Return the box around polygons, None if they are none."""
    if not isinstance(polygons, list) or not polygons:
        return None
    numbers = [
        number(value)
        for polygon in polygons
        for value in (polygon if isinstance(polygon, list) else [None])
    ]
    found = [value for value in numbers if value is not None]
    if len(found) < len(numbers) or len(found) < 6 or len(found) % 2:
        return None
    x, y = found[::2], found[1::2]
    return min(x), min(y), max(x) - min(x), max(y) - min(y)


def overlap(one: Box, other: Box) -> float:
    """Return the intersection of two boxes over their union."""
    sides = (
        min(one[i] + one[i + 2], other[i] + other[i + 2])
        - max(one[i], other[i])
        for i in (0, 1)
    )
    wide, tall = (max(0.0, side) for side in sides)
    both = wide * tall
    whole = one[2] * one[3] + other[2] * other[3] - both
    return both / whole if whole > 0 else 0.0


def _is_flag(value: object) -> bool:
    return value is None or (
        isinstance(value, (int, float)) and value in (0, 1)
    )


def _form_problems(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    mode = entry.get('bbox_mode', _XYWH)
    if not is_id(mode) or mode != _XYWH:
        yield (
            'boxes of another bbox_mode',
            f'{shown(mode)}; COCO has [x, y, width, height] in pixels, '
            f'bbox_mode {_XYWH}',
        )
    turned = rotation(entry)
    if turned is None:
        yield 'rotations that are no numbers', 'write degrees, or remove it'
    elif min(turned % 180, -turned % 180) >= _TURNED:
        yield (
            'rotated boxes',
            f'rotation {turned:g} degrees, which detectors do not read: an '
            'upright box around it is wanted',
        )
    segmentation = entry.get('segmentation')
    if isinstance(segmentation, dict):
        sound = 'counts' in segmentation and 'size' in segmentation
    else:
        sound = segmentation is None or isinstance(segmentation, list)
    if not sound:
        yield (
            'segmentations that are neither polygons nor RLE',
            shown(segmentation),
        )


def rotation(entry: Mapping[str, Any]) -> float | None:
    """Return degrees that CVAT has turned a box by, None if they are odd."""
    found = entry.get('rotation')
    attributes = entry.get('attributes')
    if isinstance(attributes, dict):
        found = attributes.get('rotation', found)
    return 0.0 if found is None else number(found)


def _sticks_out(box: Box, size: Size) -> bool:
    x, y, w, h = box
    width, height = size
    return (
        min(x, y) < -_SLACK
        or x + w > width + _SLACK
        or y + h > height + _SLACK
    )


def _beyond(corners: Box, size: Size) -> bool:
    x, y, right, bottom = corners
    return (
        min(x, y) < -_SLACK
        or right > size[0] + _SLACK
        or bottom > size[1] + _SLACK
    )
