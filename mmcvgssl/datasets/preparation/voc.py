"""Boxes of objects: read as VOC wrote them, written as COCO reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from mmcvgssl.datasets.reading import UnreadableImageError, image_size

CORNERS = ('xmin', 'ymin', 'xmax', 'ymax')


@dataclass(frozen=True)
class Boxes:
    """Content of the annotation of one image.

    Args:
        size: Width and height, pixels.
        objects: Name and corners of each object, as VOC counts them: pixels
            from 1, the last one included.
    """

    size: tuple[int, int]
    objects: Sequence[tuple[str, tuple[int, int, int, int]]]


def read_voc(file: Path, names: Sequence[str]) -> Boxes:
    """Read one VOC annotation.

    Args:
        file: The XML file; one that declares a document type or entities is
            not parsed.
        names: Names of the objects that may be there.

    Raises:
        ValueError: If the file is malformed, or an object is unknown, empty
            or not inside the image.
    """
    data = file.read_bytes()
    # a NUL means UTF-16, in which declarations look otherwise
    unsafe = (b'<!DOCTYPE', b'<!ENTITY', b'\0')
    if any(word in data.upper() for word in unsafe):
        raise ValueError(
            f'{file}: expected a plain annotation in UTF-8, got a document '
            'type, entities or another encoding; these are not read.'
        )
    try:
        root = ElementTree.fromstring(data)
        width, height = (
            int(_text(root, f'size/{key}')) for key in ('width', 'height')
        )
        objects = [_read_object(node) for node in root.iter('object')]
    except (ElementTree.ParseError, ArithmeticError, ValueError) as error:
        raise ValueError(
            f'{file}: expected a VOC annotation with size/width, size/height '
            'and for each object name and bndbox/xmin, ymin, xmax, ymax, '
            f'but: {error}.'
        ) from error
    for name, (x1, y1, x2, y2) in objects:
        if name not in names:
            raise ValueError(
                f'{file}: expected objects {", ".join(names)}, got {name!r}.'
            )
        if not (1 <= x1 <= x2 <= width and 1 <= y1 <= y2 <= height):
            raise ValueError(
                f'{file}: expected corners from 1 to {width} and {height}, '
                f'got {x1}, {y1}, {x2}, {y2}; correct the box.'
            )
    return Boxes((width, height), objects)


def check_image_size(file: Path, boxes: Boxes) -> None:
    """Compare an annotation's size with that in the image's header.

    Raises:
        ValueError: If they differ, or the header cannot be read.
    """
    try:
        size = image_size(str(file))
    except UnreadableImageError as error:
        raise ValueError(f'{error}. Replace the file.') from error
    if size != boxes.size:
        raise ValueError(
            f'{file}: expected {boxes.size[0]} x {boxes.size[1]} pixels as '
            f'its annotation says, got {size[0]} x {size[1]}.'
        )


def to_coco(
    paths: Iterable[str],
    boxes: Mapping[str, Boxes],
    names: Sequence[str],
    description: str,
) -> dict[str, Any]:
    """Return the boxes of some images as COCO writes them.

    VOC's corners are pixels from 1, the last one included; COCO's box starts
    at 0 and has a width: ``[xmin - 1, ymin - 1, xmax - xmin + 1,
    ymax - ymin + 1]``. An image has one id, its index among all, in every
    list; category ids are indices of ``names``, from 0; those of boxes count
    from 1, as pycocotools wants.

    Args:
        paths: The wanted images.
        boxes: Boxes of all images, by path relative to the data root.
        names: Names of the categories.
        description: Description of the data set.
    """
    ids = {path: number for number, path in enumerate(sorted(boxes), 1)}
    images = []
    annotations: list[dict[str, Any]] = []
    for path in paths:
        width, height = boxes[path].size
        images.append(
            {
                'id': ids[path],
                'file_name': path,
                'width': width,
                'height': height,
            }
        )
        for name, (x1, y1, x2, y2) in boxes[path].objects:
            w, h = x2 - x1 + 1, y2 - y1 + 1
            annotations.append(
                {
                    'id': len(annotations) + 1,
                    'image_id': ids[path],
                    'category_id': list(names).index(name),
                    'bbox': [x1 - 1, y1 - 1, w, h],
                    'area': w * h,
                    'iscrowd': 0,
                }
            )
    return {
        'info': {'description': description},
        'images': images,
        'annotations': annotations,
        'categories': [
            {'id': i, 'name': name, 'supercategory': 'defect'}
            for i, name in enumerate(names)
        ],
    }


def _read_object(
    node: ElementTree.Element,
) -> tuple[str, tuple[int, int, int, int]]:
    values = [float(_text(node, f'bndbox/{key}')) for key in CORNERS]
    if any(value != round(value) for value in values):
        raise ValueError(f'corners {values} are no whole pixels')
    x1, y1, x2, y2 = map(int, values)
    return _text(node, 'name'), (x1, y1, x2, y2)


def _text(node: ElementTree.Element, path: str) -> str:
    text = (node.findtext(path) or '').strip()
    if not text:
        raise ValueError(f'{path} is missing')
    return text
